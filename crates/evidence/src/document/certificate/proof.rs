//! How a stranger verifies the certificate.

use super::{Block, Fact, Medium, Section, Writer, form, words};

impl Writer<'_> {
    pub(super) fn proof(&self, medium: Medium) -> Section {
        let save = match medium {
            Medium::Html => words::STEP_SAVE_HTML,
            Medium::Pdf => words::STEP_SAVE_PDF,
        };
        let steps = [save, words::STEP_KEY, words::STEP_COMMANDS];
        let steps = steps.into_iter().map(|step| self.say(step).to_owned());
        Section {
            heading: self.say(words::PROOF),
            blocks: vec![
                Block::Facts(self.proof_facts()),
                Block::Steps(steps.collect()),
                Block::Commands(words::VERIFY_COMMANDS),
                Block::Text(self.say(words::STEP_FOLDER).to_owned()),
            ],
        }
    }

    fn proof_facts(&self) -> Vec<Fact> {
        let certificate = self.certificate;
        let mut facts = vec![
            Fact::code(
                self.say(words::PAYLOAD_DIGEST),
                certificate.payload_sha256.to_string(),
            ),
            Fact::new(self.say(words::SIGNATURE), self.say(words::SIGNATURE_KIND)),
            Fact::code(self.say(words::KEY_ID), &certificate.key_id),
            Fact::code(
                self.say(words::LEAVES_DIGEST),
                certificate.statement.leaves_digest().to_string(),
            ),
            Fact::new(self.say(words::LEAVES), self.leaves()),
        ];
        facts.extend(self.tree());
        facts.extend(self.log());
        facts.push(Fact::new(
            self.say(words::EVIDENCE_KEY),
            self.evidence_key(),
        ));
        facts
    }

    fn leaves(&self) -> String {
        let leaves = self.predicate.evidence.leaves;
        format!(
            "{} {} / {} {}",
            self.say(words::LEAVES_RECORD),
            form::number(leaves.record),
            self.say(words::LEAVES_SUBJECT),
            form::number(leaves.subject)
        )
    }

    /// Origin and root of the run's tree, as its checkpoint writes them.
    fn tree(&self) -> [Fact; 2] {
        let text = self.predicate.evidence.run_checkpoint.to_string();
        let line = |number: usize| form::shown(text.lines().nth(number).unwrap_or_default());
        [
            Fact::code(self.say(words::TREE_ORIGIN), line(0)),
            Fact::code(self.say(words::TREE_ROOT), line(2)),
        ]
    }

    fn log(&self) -> Vec<Fact> {
        let Some(log) = &self.predicate.log else {
            return vec![Fact::new(self.say(words::LOG), self.say(words::NO_LOG))];
        };
        let place = format!("{} #{}", form::shown(&log.origin), log.index);
        let mut facts = vec![Fact::code(self.say(words::LOG), place)];
        let previous: Vec<String> = log.previous_checkpoint.lines().map(form::shown).collect();
        if !previous.is_empty() {
            let previous = previous.join("\n");
            facts.push(Fact::code(self.say(words::LOG_PREVIOUS), previous));
        }
        facts
    }

    fn evidence_key(&self) -> String {
        let key = &self.predicate.evidence.evidence_key;
        let name = form::shown(&key.id);
        let Some(day) = key.destroy_after else {
            return name;
        };
        let day = form::day(day, self.language);
        format!("{name} ({} {day})", self.say(words::DESTROYED_AFTER))
    }
}
