//! From `kigen.toml` to the place.

use std::sync::Arc;

use crate::config::CertificatesPlace;

use super::error::PublishError;
use super::{Archive, FolderPlace, S3Place};

/// Opens the place that the configuration names. A folder is made later; a bucket must be there.
pub async fn open(place: &CertificatesPlace) -> Result<Arc<dyn Archive>, PublishError> {
    Ok(match place {
        CertificatesPlace::Folder(folder) => Arc::new(FolderPlace::new(folder)),
        CertificatesPlace::S3(bucket) => Arc::new(S3Place::connect(bucket).await?),
    })
}
