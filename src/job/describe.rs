//! A job's rules in words, in English and Japanese, from the checked job itself.

use jiff::civil::Date;
use kigen_evidence::calendar::{FirstDay, Period};
use kigen_evidence::statement::StartingPointKind;

use crate::domain::rule::{EARLIEST_BELIEVED, Purpose};

use super::{Condition, Disposal, Effect, Job, Operation, PurposeSource, Stage};

/// What one stage says, in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageInWords {
    /// Name of the stage.
    pub stage: String,
    pub en: String,
    pub ja: String,
}

/// Says each stage's rule in words.
pub fn stages_in_words(job: &Job) -> Vec<StageInWords> {
    let in_words = |stage: &Stage| StageInWords {
        stage: stage.name.clone(),
        en: english(job, stage),
        ja: japanese(job, stage),
    };
    job.stages.iter().map(in_words).collect()
}

/// Says a whole job in words: one paragraph of English and one of Japanese per stage.
pub fn explain(job: &Job) -> String {
    let mut text = format!("{} ({}, {})\n", job.cluster, job.title.en, job.title.ja);
    for words in stages_in_words(job) {
        text.push_str(&format!("\n{}\n\n{}\n", words.en, words.ja));
    }
    for effect in &job.effects {
        text.push_str(&effect_in_words(effect));
    }
    text
}

fn effect_in_words(effect: &Effect) -> String {
    let Effect {
        table,
        operation,
        reason,
    } = effect;
    let (en, ja) = match operation {
        Operation::Insert => ("inserted into", "追加"),
        Operation::Update => ("updated in", "更新"),
        Operation::Delete => ("deleted from", "削除"),
    };
    format!(
        "\nWith the records the database has rows {en} `{table}`: {reason}\n\n\
         記録とともに、データベースが「{table}」の行を{ja}する（{reason}）。\n"
    )
}

fn english(job: &Job, stage: &Stage) -> String {
    let disposal = match &stage.disposal {
        Disposal::Delete => "deleted",
        Disposal::Pseudonymize { .. } => "pseudonymized",
    };
    let mut lines = vec![format!(
        "Stage `{}`: a record of `{}` is {disposal} once all these purposes have ended (days in {}):",
        stage.name, job.table, job.time_zone_name
    )];
    let purposes = stage.rule.purposes.iter().zip(&stage.sources);
    lines.extend(purposes.map(|(purpose, source)| purpose_in_english(purpose, source)));
    lines.join("\n")
}

fn japanese(job: &Job, stage: &Stage) -> String {
    let disposal = match &stage.disposal {
        Disposal::Delete => "消去",
        Disposal::Pseudonymize { .. } => "仮名加工",
    };
    let mut lines = vec![format!(
        "段階「{}」: 「{}」の記録は、次の利用目的がすべて終了した後、{disposal}する（暦日は {} による）。",
        stage.name, job.title.ja, job.time_zone_name
    )];
    let purposes = stage.rule.purposes.iter().zip(&stage.sources);
    lines.extend(purposes.map(|(purpose, source)| purpose_in_japanese(purpose, source)));
    lines.join("\n")
}

fn purpose_in_english(purpose: &Purpose, source: &PurposeSource) -> String {
    let event = match source.kind {
        StartingPointKind::Collection => "collection",
        StartingPointKind::EndOfTransaction => "the end of the transaction",
        StartingPointKind::EndOfRelationship => "the end of the relationship",
        StartingPointKind::ReplyToRequest => "the reply to the request",
        StartingPointKind::RequestOfPerson => "the request of the person",
    };
    let length = match purpose.period {
        period if period.is_zero() => "at once".to_owned(),
        Period::Days(days) => count(days, "day"),
        Period::Months(months) => {
            let parts = [(months / 12, "year"), (months % 12, "month")];
            let parts = parts.into_iter().filter(|(number, _)| *number > 0);
            let parts: Vec<String> = parts.map(|(number, unit)| count(number, unit)).collect();
            parts.join(" and ")
        }
    };
    let first_day = match purpose.first_day {
        FirstDay::NotCounted => "",
        FirstDay::Counted => ", the first day counted",
    };
    let mut line = format!(
        "- `{}`: {length} from {event} (`{}`){first_day}",
        purpose.name, source.starts_at
    );
    if let Some(earliest) = stated_earliest(purpose) {
        line.push_str(&format!("; days before {earliest} are not believed"));
    }
    if let Some(condition) = &source.applies_when {
        let verb = if condition.negated {
            "is none of"
        } else {
            "is one of"
        };
        let values = listed(condition, "“", "”", ", ");
        line.push_str(&format!(
            "; only where `{}` {verb} {values} or null",
            condition.column
        ));
    }
    line
}

fn purpose_in_japanese(purpose: &Purpose, source: &PurposeSource) -> String {
    let event = match source.kind {
        StartingPointKind::Collection => "取得",
        StartingPointKind::EndOfTransaction => "取引の終了",
        StartingPointKind::EndOfRelationship => "契約関係の終了",
        StartingPointKind::ReplyToRequest => "請求への回答",
        StartingPointKind::RequestOfPerson => "本人の請求",
    };
    let length = match purpose.period {
        period if period.is_zero() => "直ちに終了".to_owned(),
        Period::Days(days) => format!("{days}日間"),
        Period::Months(months) => match (months / 12, months % 12) {
            (years, 0) => format!("{years}年間"),
            (0, months) => format!("{months}か月間"),
            (years, months) => format!("{years}年{months}か月間"),
        },
    };
    let first_day = match purpose.first_day {
        FirstDay::NotCounted => "初日不算入",
        FirstDay::Counted => "初日算入",
    };
    let mut line = format!(
        "- {}: {event}（{}）から{length}（{first_day}）",
        purpose.name, source.starts_at
    );
    if let Some(earliest) = stated_earliest(purpose) {
        line.push_str(&format!("。{earliest} より前の日は起算点と認めない"));
    }
    if let Some(condition) = &source.applies_when {
        let verb = if condition.negated {
            "のいずれでもない"
        } else {
            "のいずれかである"
        };
        let values = listed(condition, "「", "」", "");
        line.push_str(&format!(
            "。{} が{values}{verb}か、空である記録に限る",
            condition.column
        ));
    }
    line
}

/// The first day that is believed, where the job says another than kigen does.
fn stated_earliest(purpose: &Purpose) -> Option<Date> {
    Some(purpose.earliest).filter(|earliest| *earliest != EARLIEST_BELIEVED)
}

fn count(number: i32, unit: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

fn listed(condition: &Condition, open: &str, close: &str, between: &str) -> String {
    let values = condition.values.iter();
    let values: Vec<String> = values
        .map(|value| format!("{open}{value}{close}"))
        .collect();
    values.join(between)
}
