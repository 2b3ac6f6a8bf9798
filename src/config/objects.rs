//! Where object stores lie: two jobs may name the same objects, by stores of other names.

use std::path::PathBuf;

use super::{Config, ObjectsConfig};
use crate::diagnostic::{Problem, Problems};
use crate::job::{Job, JobSet, ObjectLink};
use crate::store::{AlsoNamed, KeyChange};

/// A place of objects: where the keys of a store begin.
struct Place {
    /// The server and the bucket, or the file system.
    server: String,
    /// What stands before each key.
    root: String,
}

impl ObjectsConfig {
    fn place(&self) -> Place {
        match self {
            Self::Folder(folder) => {
                // One that is not there yet holds no objects.
                let path: PathBuf = folder.canonicalize().unwrap_or_else(|_| folder.clone());
                Place {
                    server: "file".to_owned(),
                    root: format!("{}/", path.display()),
                }
            }
            Self::S3 {
                bucket,
                prefix,
                endpoint,
                ..
            } => {
                let endpoint = endpoint.as_deref().unwrap_or_default();
                let mut endpoint = endpoint.trim_end_matches('/').to_ascii_lowercase();
                // Buckets of Amazon have one name space, whatever the endpoint.
                if endpoint.contains(".amazonaws.com") {
                    endpoint.clear();
                }
                Place {
                    server: format!("{endpoint}/{bucket}"),
                    root: prefix.clone(),
                }
            }
        }
    }
}

impl Config {
    /// How keys of the object store `one` are written in `other`; `None` if nothing lies in both.
    fn key_change(&self, one: &str, other: &str) -> Option<KeyChange> {
        let one = self.objects.get(one)?.place();
        let other = self.objects.get(other)?.place();
        if one.server != other.server {
            return None;
        }
        KeyChange::between(&one.root, &other.root)
    }

    /// The columns of other jobs that name objects where those of `job` lie.
    pub fn also_named(&self, job: &Job, jobs: &[Job]) -> Vec<AlsoNamed> {
        let mut found = Vec::new();
        for other in jobs.iter().filter(|other| other.cluster != job.cluster) {
            for theirs in &other.objects {
                let mut asked: Vec<&str> = Vec::new();
                for ours in &job.objects {
                    if asked.contains(&ours.store.as_str()) {
                        continue;
                    }
                    asked.push(&ours.store);
                    if let Some(change) = self.key_change(&ours.store, &theirs.store) {
                        found.push(AlsoNamed {
                            job: other.cluster.clone(),
                            store: ours.store.clone(),
                            table: theirs.table.clone().unwrap_or_else(|| other.table.clone()),
                            column: theirs.key_column.clone(),
                            change,
                        });
                    }
                }
            }
        }
        found
    }

    /// Objects that lie in one place must be known as the same: by one name within a job, and between jobs
    /// by rows that one transaction sees.
    pub(super) fn check_shared_objects(&self, jobs: &JobSet, problems: &mut Problems) {
        for (place, job) in jobs.jobs().iter().enumerate() {
            let others = jobs.jobs()[..place].iter();
            for (index, ours) in job.objects.iter().enumerate() {
                let mut say = |message: String, hint: &str| {
                    let mut problem = Problem::of_file(job.file.display().to_string(), message);
                    problem.path = format!("object[{index}].store");
                    problems.0.push(problem.with_hint(hint));
                };
                let shares = |theirs: &&ObjectLink| {
                    let change = self.key_change(&ours.store, &theirs.store);
                    change.is_some()
                };
                let mut earlier = job.objects[..index].iter();
                let other_name = earlier.find(|link| link.store != ours.store && shares(link));
                if let Some(theirs) = other_name {
                    let message = format!(
                        "object store `{}` lies in the same place as `{}`: whether both name one object is not seen",
                        ours.store, theirs.store
                    );
                    say(
                        message,
                        "name one store in both, or give each a prefix or a folder of its own",
                    );
                }
                for other in others.clone().filter(|other| other.store != job.store) {
                    let Some(theirs) = other.objects.iter().find(shares) else {
                        continue;
                    };
                    let message = format!(
                        "object store `{}` lies in the same place as `{}` of job `{}`, whose rows are in another \
                         store (`{}`): whether they name an object cannot be asked",
                        ours.store, theirs.store, other.cluster, other.store
                    );
                    let hint = "give each a prefix or a folder of its own; a database that both jobs use has one \
                                name in kigen.toml";
                    say(message, hint);
                }
            }
        }
    }
}
