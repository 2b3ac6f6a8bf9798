//! Reads the jobs folder. The only part of `job` that touches files.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::set::JobSet;
use super::{Job, check};
use crate::diagnostic::{Problem, Problems};

/// Reads and checks every `*.toml` file of `folder`, in the order of their names.
///
/// All problems of all files at once; one bad file stops the set, since nobody knows what it was
/// meant to keep.
pub fn load_folder(folder: &Path) -> Result<JobSet, Problems> {
    let name = folder.display().to_string();
    let files = toml_files(folder).map_err(|error| {
        let problem = Problem::of_file(name.clone(), format!("the folder cannot be read: {error}"));
        Problems::from(
            problem.with_hint("`[jobs]` in kigen.toml names the folder of the job files"),
        )
    })?;
    let mut jobs = Vec::new();
    let mut problems = Problems::default();
    for file in files {
        match read(&file) {
            Ok(job) => jobs.push(job),
            Err(found) => problems.0.extend(found.0),
        }
    }
    if problems.0.is_empty() {
        return JobSet::new(&name, jobs);
    }
    // What the good files say against each other is worth knowing too; that there are too few
    // of them is not.
    if !jobs.is_empty()
        && let Err(found) = JobSet::new(&name, jobs)
    {
        problems.0.extend(found.0);
    }
    problems.sort();
    Err(problems)
}

fn toml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Job, Problems> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| {
        Problems::from(Problem::of_file(
            name.clone(),
            format!("the file cannot be read: {error}"),
        ))
    })?;
    check::parse(&name, &text)
}
