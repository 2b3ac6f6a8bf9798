//! A case whose learners have a scan each, in a folder.

use std::path::PathBuf;
use std::process::Command;

use super::{Case, JOB};
use crate::scene::Engine;

/// Learners 1 and 2 are due, 3 is not; each names its scan.
pub(crate) const SCANS: &str = "
create table learner (learner_id bigint not null primary key, name text, ended_on date, scan text);
insert into learner values (1, 'PERSON', '2010-03-31', 'scan-1.pdf'), (2, 'PERSON', '2010-03-31', 'scan-2.pdf'),
  (3, 'PERSON', '2025-03-31', 'scan-3.pdf');
";

/// [`JOB`] with the scans of [`SCANS`]; `extra` stands before the stages.
pub(crate) fn job_with_scans(extra: &str) -> String {
    let objects = "[[object]]\nstore = \"scans\"\nkey-column = \"scan\"\n";
    JOB.replace(
        "quasi-identifier = [\"learner_id\", \"ended_on\"]",
        "quasi-identifier = [\"learner_id\", \"ended_on\"]\nnot-personal = [\"scan\"]",
    )
    .replace(
        "[[stage]]\nname",
        &format!("{objects}\n{extra}\n[[stage]]\nname"),
    )
}

impl Case {
    /// A case with the folder `scans`, which holds `files`.
    pub(crate) async fn with_scans(
        engine: Engine,
        sql: &str,
        job: &str,
        files: &[&str],
    ) -> Option<Self> {
        let case = Self::new(engine, sql, job).await?;
        case.add_object_store("scans", "kind = \"folder\"\nfolder = \"scans\"");
        std::fs::create_dir(case.scene.path("scans")).unwrap();
        for file in files {
            let path = case.scan(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "scan").unwrap();
        }
        Some(case)
    }

    /// Adds `[objects.name]` to `kigen.toml`.
    pub(crate) fn add_object_store(&self, name: &str, keys: &str) {
        let section = format!("[objects.{name}]\n{keys}\n\n[keyring]");
        self.scene.edit("kigen.toml", "[keyring]", &section);
    }

    pub(crate) fn scan(&self, file: &str) -> PathBuf {
        self.scene.path("scans").join(file)
    }

    /// Which of the `files` are there.
    pub(crate) fn scans<'f>(&self, files: &[&'f str]) -> Vec<&'f str> {
        let there = files.iter().filter(|file| self.scan(file).exists());
        there.copied().collect()
    }

    /// `kigen run`, killed at the failpoint `at`.
    pub(crate) fn run_killed_at(&self, at: &str) {
        let arguments = ["run", "--as-of", crate::scene::AS_OF, "--log", "off"];
        let mut command: Command = self.scene.command(&arguments);
        let output = command.env("KIGEN_KILL_AT", at).output().unwrap();
        assert!(
            output.status.code().is_none(),
            "it was not killed: {output:?}"
        );
    }

    /// `kigen run` and what it says as JSON.
    pub(crate) fn run_json(&self, without: &[kigen::guard::Guard]) -> (i32, serde_json::Value) {
        let names: Vec<&str> = without.iter().map(|guard| guard.name()).collect();
        let arguments = [
            "run",
            "--as-of",
            crate::scene::AS_OF,
            "--log",
            "error",
            "--format",
            "json",
        ];
        let mut command = self.scene.command(&arguments);
        let answer = self
            .scene
            .finish(command.env("KIGEN_WITHOUT_GUARD", names.join(",")));
        (answer.code, answer.json())
    }

    /// The program with credentials for the tests' S3 server, which checks none.
    pub(crate) fn with_credentials(&self, arguments: &[&str]) -> Command {
        let mut command = self.scene.command(arguments);
        command
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1");
        command
    }

    /// The intents that stand in the journal.
    pub(crate) async fn open_intents(&self, engine: Engine) -> i64 {
        let table = match engine {
            Engine::Sqlite => "kigen_intent",
            Engine::Postgres => "kigen.intent",
        };
        self.count(table).await
    }
}
