//! What the object stores hold of the objects that a batch names.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};

use super::{Address, Stores, ends_the_pass, unanswered};
use crate::store::error::StoreError;
use crate::store::objects::{ObjectError, ObjectPart};

/// Objects that are listed at the same time.
const LISTS_AT_ONCE: usize = 8;

/// The versions, markers and unfinished uploads of each object, or why it cannot be listed.
pub(in crate::store::sql) type Listing = BTreeMap<Address, Result<Vec<ObjectPart>, ObjectError>>;

/// Lists all of `addresses`. Fails if a store as a whole does not answer.
pub(in crate::store::sql) async fn list(
    stores: &Stores,
    addresses: BTreeSet<Address>,
) -> Result<Listing, StoreError> {
    let mut calls = Vec::with_capacity(addresses.len());
    for address in &addresses {
        calls.push(stores.at(address.store)?.versions(&address.key));
    }
    let mut answers = stream::iter(calls).buffered(LISTS_AT_ONCE);
    let mut listing = Listing::new();
    for address in &addresses {
        let Some(answer) = answers.next().await else {
            break;
        };
        if let Some(error) = answer.as_ref().err().filter(|error| ends_the_pass(error)) {
            return Err(unanswered(
                "list the objects",
                stores.name(address.store),
                error,
            ));
        }
        let parts = answer.map(|found| {
            found
                .to_remove()
                .into_iter()
                .map(|version| version.part)
                .collect()
        });
        listing.insert(address.clone(), parts);
    }
    Ok(listing)
}
