//! Reads the files of the Open University Learning Analytics Dataset as they are published.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

const FILES: [&str; 5] = [
    "courses",
    "assessments",
    "studentInfo",
    "studentRegistration",
    "studentAssessment",
];

/// The five files, in file order; fields are found by the names in each file's header.
pub(crate) struct Source {
    pub courses: Vec<Course>,
    pub assessments: Vec<Assessment>,
    pub infos: Vec<Info>,
    pub registrations: Vec<Registration>,
    pub submissions: Vec<Submission>,
}

/// One module in one presentation.
#[derive(Deserialize)]
pub(crate) struct Course {
    pub code_module: String,
    pub code_presentation: String,
    /// In days.
    pub module_presentation_length: i64,
}

/// An exam or assignment of a course.
#[derive(Deserialize)]
pub(crate) struct Assessment {
    pub code_module: String,
    pub code_presentation: String,
    pub id_assessment: i64,
    pub assessment_type: String,
}

/// What is known of a learner at one enrolment.
#[derive(Deserialize)]
pub(crate) struct Info {
    pub code_module: String,
    pub code_presentation: String,
    pub id_student: i64,
    #[serde(deserialize_with = "text")]
    pub gender: Option<String>,
    #[serde(deserialize_with = "text")]
    pub region: Option<String>,
    #[serde(deserialize_with = "text")]
    pub highest_education: Option<String>,
    #[serde(deserialize_with = "text")]
    pub imd_band: Option<String>,
    #[serde(deserialize_with = "text")]
    pub age_band: Option<String>,
    #[serde(deserialize_with = "text")]
    pub disability: Option<String>,
    #[serde(deserialize_with = "text")]
    pub final_result: Option<String>,
}

/// When a learner came and left, in days from the presentation's start.
#[derive(Deserialize)]
pub(crate) struct Registration {
    pub code_module: String,
    pub code_presentation: String,
    pub id_student: i64,
    #[serde(deserialize_with = "number")]
    pub date_registration: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub date_unregistration: Option<i64>,
}

/// One submission to an assessment.
#[derive(Deserialize)]
pub(crate) struct Submission {
    pub id_student: i64,
    pub id_assessment: i64,
    /// In days from the presentation's start.
    #[serde(deserialize_with = "number")]
    pub date_submitted: Option<i64>,
    pub is_banked: u8,
    #[serde(deserialize_with = "number")]
    pub score: Option<i64>,
}

impl Source {
    /// Reads all files under `folder`, or says how to get them.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        for name in FILES {
            let file = format!("{name}.csv.gz");
            ensure!(
                folder.join(&file).is_file(),
                "`{}` has no `{file}`; hint: download the Open University Learning Analytics \
                 Dataset (https://analyse.kmi.open.ac.uk/open_dataset, CC BY 4.0), compress its \
                 files with `gzip`, and name their folder: `make oulad DATA=FOLDER`",
                folder.display(),
            );
        }
        Ok(Self {
            courses: rows(folder, "courses")?,
            assessments: rows(folder, "assessments")?,
            infos: rows(folder, "studentInfo")?,
            registrations: rows(folder, "studentRegistration")?,
            submissions: rows(folder, "studentAssessment")?,
        })
    }
}

fn rows<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Vec<T>> {
    let path = folder.join(format!("{name}.csv.gz"));
    let unreadable = || format!("`{}` cannot be read", path.display());
    let file = File::open(&path).with_context(unreadable)?;
    csv::Reader::from_reader(MultiGzDecoder::new(file))
        .into_deserialize()
        .collect::<Result<_, _>>()
        .with_context(unreadable)
}

/// `?` and empty are null.
fn text<'de, D: Deserializer<'de>>(field: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(field)?;
    Ok((!matches!(text.as_str(), "" | "?")).then_some(text))
}

fn number<'de, D: Deserializer<'de>>(field: D) -> Result<Option<i64>, D::Error> {
    text(field)?
        .map(|digits| digits.parse().map_err(D::Error::custom))
        .transpose()
}
