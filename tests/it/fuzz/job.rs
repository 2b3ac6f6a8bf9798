//! The job file of a random world.

use std::fmt::Write;

use jiff::ToSpan;
use jiff::civil::Date;

use super::calendar::Period;
use super::world::{Bystander, Child, Key, Named, StartColumn};

/// What the job file is made of.
pub(super) struct Job<'w> {
    pub(super) number: usize,
    pub(super) written: &'w str,
    pub(super) key: &'w Key,
    pub(super) columns: &'w [String],
    pub(super) start: &'w StartColumn,
    pub(super) second: Option<&'w StartColumn>,
    pub(super) conditional: bool,
    pub(super) client_column: bool,
    pub(super) own_subject: bool,
    pub(super) pseudonymizes: bool,
    pub(super) marker_column: bool,
    pub(super) delete_period: Period,
    pub(super) early_period: Period,
    pub(super) second_period: Period,
    pub(super) children: &'w [Child],
    pub(super) declared: Option<&'w Bystander>,
    pub(super) batch_size: u32,
    pub(super) as_of: Date,
}

impl Job<'_> {
    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let number = self.number;
        let key: Vec<&str> = self.key.columns.iter().map(|(name, _)| *name).collect();
        let subject = if self.own_subject { key[0] } else { "person" };
        let client = if self.client_column {
            "column = \"client\""
        } else {
            "name = \"own\""
        };
        let quasi: Vec<&str> = self
            .columns
            .iter()
            .map(String::as_str)
            .filter(|name| key.contains(name) || *name == "person")
            .collect();
        let plain: Vec<&str> = self
            .columns
            .iter()
            .map(String::as_str)
            .filter(|name| !key.contains(name) && !matches!(*name, "name" | "person"))
            .collect();
        let mut text = format!(
            "cluster = \"world-{number}\"\nowner = \"privacy office\"\ntime-zone = \"Asia/Tokyo\"\n\
             [title]\nja = \"世界\"\nen = \"World\"\n\
             [clause]\ndocument = \"policy\"\nversion = \"1\"\ntext = \"kept for a while\"\n\
             [store]\nname = \"school\"\ntable = {:?}\nkey = {key:?}\n\
             [subject]\nkind = \"learner\"\ncolumn = {subject:?}\n\
             [client]\n{client}\n\
             [columns]\ndirect-identifier = [\"name\"]\nquasi-identifier = {quasi:?}\nnot-personal = {plain:?}\n\
             [limit]\nmax-records = 1000\nmax-percent = 100\nmax-persons = 1000\nbatch-size = {}\n",
            self.written, self.batch_size
        );
        for child in self.children {
            text.push_str(&self.reference(child));
        }
        if let Some(bystander) = self.declared {
            let table = bystander.spelled.replace('"', "");
            write!(
                text,
                "[[effect]]\ntable = {table:?}\noperation = \"insert\"\nreason = \"kept by law\"\n"
            )
            .unwrap();
        }
        if self.pseudonymizes {
            text.push_str("[[stage]]\nname = \"early\"\ndisposal = \"pseudonymize\"\n");
            if self.marker_column {
                text.push_str("marker-column = \"marked\"\n");
            }
            text.push_str(&self.purpose("service", self.start, self.early_period));
            text.push_str("[[stage.change]]\ncolumn = \"name\"\nstrategy = \"null\"\n");
        }
        text.push_str("[[stage]]\nname = \"delete\"\ndisposal = \"delete\"\n");
        text.push_str(&self.purpose("service", self.start, self.delete_period));
        if let Some(second) = self.second {
            text.push_str(&self.purpose("activity", second, self.second_period));
            if self.conditional {
                text.push_str("applies-when = { column = \"status\", in = [\"open\"] }\n");
            }
        }
        if self.pseudonymizes {
            text.push_str(&self.examples("early", &[("service", self.early_period)]));
        }
        let mut purposes = vec![("service", self.delete_period)];
        if self.second.is_some() {
            purposes.push(("activity", self.second_period));
        }
        text.push_str(&self.examples("delete", &purposes));
        text
    }

    fn reference(&self, child: &Child) -> String {
        let disposal = match child.named {
            Named::GoesWith => "goes-with",
            Named::Unlink => "unlink",
            Named::Blocks => "blocks",
            Named::Nothing => return String::new(),
        };
        let theirs: Vec<String> = match child.of {
            None => self
                .key
                .columns
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            Some(_) => vec!["rid".to_owned()],
        };
        let on: Vec<String> = theirs
            .iter()
            .enumerate()
            .map(|(index, name)| format!("of_{index} = {name:?}"))
            .collect();
        let mut text = format!(
            "[[reference]]\ntable = {:?}\non = {{ {} }}\non-dispose = \"{disposal}\"\n",
            child.written,
            on.join(", ")
        );
        if let Some(of) = child.of {
            writeln!(text, "of = {:?}", self.children[of].written).unwrap();
        }
        if child.named == Named::Unlink && theirs.len() > 1 {
            let columns = (0..theirs.len()).map(|index| format!("of_{index}"));
            writeln!(text, "clear = {:?}", columns.collect::<Vec<_>>()).unwrap();
        }
        if child.named == Named::GoesWith {
            let names: Vec<&String> = child
                .columns
                .iter()
                .filter(|name| name.starts_with("of_"))
                .collect();
            write!(text, "key = [\"rid\"]\n[reference.columns]\nfree-text = [\"note\"]\nnot-personal = [\"rid\"]\nquasi-identifier = {names:?}\n").unwrap();
        }
        text
    }

    fn purpose(&self, name: &str, start: &StartColumn, period: Period) -> String {
        format!(
            "[[stage.purpose]]\nname = {name:?}\nstarting-point = \"end-of-relationship\"\nstarts-at = {:?}\nperiod = {:?}\n{}",
            start.name, period.text, start.options
        )
    }

    fn examples(&self, stage: &str, purposes: &[(&str, Period)]) -> String {
        let start = self.as_of - 10.years();
        let last = purposes
            .iter()
            .map(|(_, period)| period.last_day(start))
            .max()
            .unwrap();
        let starts: Vec<String> = purposes
            .iter()
            .map(|(name, _)| format!("{name} = \"{start}\""))
            .collect();
        let values = if self.conditional && purposes.len() > 1 {
            "[example.values]\nstatus = \"open\"\n"
        } else {
            ""
        };
        format!(
            "[[example]]\nstage = {stage:?}\nas-of = \"{last}\"\nexpect = \"retain\"\nreason = \"not-expired\"\n[example.starts]\n{0}\n{values}\
             [[example]]\nstage = {stage:?}\nas-of = \"{1}\"\nexpect = \"dispose\"\n[example.starts]\n{0}\n{values}",
            starts.join("\n"),
            last + 1.day()
        )
    }
}
