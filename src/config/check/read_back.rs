//! Whether the stores are asked again before a run is certified.

use crate::config::ReadBack;
use crate::config::raw::{RawConfig, RawReadBack};
use crate::diagnostic::document::Path;

use super::Checker;

/// Records of a cluster that are looked at where the file does not say.
const MOST_RECORDS: u64 = 10_000_000;

impl Checker<'_> {
    pub(super) fn read_back(&mut self, raw: &RawConfig) -> Option<ReadBack> {
        let evidence = raw.evidence.as_ref();
        let kind = evidence.and_then(|raw| raw.read_back);
        let most_records = evidence.and_then(|raw| raw.read_back_most_records);
        match (kind.unwrap_or(RawReadBack::Full), most_records) {
            (RawReadBack::Off, None) => Some(ReadBack::Off),
            (RawReadBack::Off, Some(_)) => {
                let path = Path::of("evidence").key("read-back-most-records");
                let message = "with `read-back = \"off\"` nothing is looked at";
                self.say(self.document.problem(&path, message));
                None
            }
            (RawReadBack::Full, most_records) => Some(ReadBack::Full {
                most_records: most_records.unwrap_or(MOST_RECORDS),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::ReadBack;
    use crate::config::check::tests::{GOOD, read};

    #[test]
    fn the_stores_are_asked_again_unless_the_file_says_otherwise() {
        let read_back = |text: &str| read(&format!("{GOOD}{text}")).map(|config| config.read_back);
        let full = |most_records| Some(ReadBack::Full { most_records });
        assert_eq!(read_back("").ok(), full(10_000_000));
        assert_eq!(
            read_back("[evidence]\nread-back-most-records = 5\n").ok(),
            full(5)
        );
        assert_eq!(
            read_back("[evidence]\nread-back = \"off\"\n").ok(),
            Some(ReadBack::Off)
        );
        for (text, says) in [
            ("read-back = \"sometimes\"", "one of `full`, `off`"),
            ("read-back-most-records = 0", "must be at least 1"),
            (
                "read-back = \"off\"\nread-back-most-records = 5",
                "nothing is looked at",
            ),
        ] {
            let problems = read_back(&format!("[evidence]\n{text}\n")).unwrap_err();
            assert!(problems.to_string().contains(says), "{problems}");
        }
    }
}
