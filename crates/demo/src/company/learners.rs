//! Learners with their contacts and logins.

use jiff::civil::Date;

use super::days::{HISTORY_DAYS, days_before, days_between, edge_of, moment_on, near_border};
use super::layout::{Cell, Row};
use super::names::{CLIENTS, LEARNER_NOTES};
use super::person::{Person, mobile_number};
use super::random::{Random, Stream};

/// Months of the periods in `jobs/` that run from a withdrawal: rows are placed at their borders.
const WITHDRAWAL_MONTHS: [i32; 3] = [12, 36, 60];

/// Months of the period in `jobs/learner.toml` that runs from the last use.
const LAST_USE_MONTHS: i32 = 6;

/// When a learner came and went, and for whom. Small, so that attempts can ask for it again.
pub(super) struct Relationship {
    pub(super) client_id: &'static str,
    pub(super) registered_on: Date,
    pub(super) withdrawn_on: Option<Date>,
    withdrawal_reason: Option<&'static str>,
    last_active_at: Option<String>,
}

/// What became of a learner's relationship.
enum Fate {
    Active,
    /// Withdrawal already announced for a later day.
    AnnouncedClients(Date),
    Withdrawn(Date),
    /// Withdrawn on a day near the border of a rule.
    Border(Date),
}

impl Relationship {
    /// Makes the relationship of learner `number`, always the same.
    pub(super) fn of(number: u64, as_of: Date) -> Self {
        let mut random = Random::of(Stream::Relationship, number);
        let client_id = client_of(&mut random);
        let age_days = 1 + random.below_mostly_small(HISTORY_DAYS);
        let registered_on = days_before(as_of, age_days.cast_signed());
        let fate = fate(&mut random, as_of, age_days);
        let withdrawn_on = match fate {
            Fate::Active => None,
            Fate::AnnouncedClients(day) | Fate::Withdrawn(day) | Fate::Border(day) => Some(day),
        };
        // One placed at a border may have to have come earlier than drawn.
        let registered_on =
            withdrawn_on.map_or(registered_on, |day| registered_on.min(days_before(day, 30)));
        let last_active_at = last_active_at(&mut random, &fate, registered_on, as_of);
        Self {
            client_id,
            registered_on,
            withdrawn_on,
            withdrawal_reason: withdrawn_on.and_then(|_| withdrawal_reason(&mut random)),
            last_active_at,
        }
    }

    /// The last day on which the learner can have done anything.
    pub(super) fn last_day(&self, as_of: Date) -> Date {
        self.withdrawn_on.map_or(as_of, |day| day.min(as_of))
    }
}

/// Two in five learners are the company's own; the rest are entrusted.
fn client_of(random: &mut Random) -> &'static str {
    if random.happens(400) {
        return CLIENTS[0].0;
    }
    random.pick(&CLIENTS).0
}

fn fate(random: &mut Random, as_of: Date, age_days: u32) -> Fate {
    match random.below(1000) {
        0..650 => Fate::Active,
        650..655 => Fate::AnnouncedClients(days_before(as_of, -random.between(1, 180))),
        655..685 => {
            let months = random.pick(&WITHDRAWAL_MONTHS);
            Fate::Border(near_border(random, as_of, months))
        }
        _ => {
            let days_ago = random.below_mostly_small(age_days);
            Fate::Withdrawn(days_before(as_of, days_ago.cast_signed()))
        }
    }
}

fn withdrawal_reason(random: &mut Random) -> Option<&'static str> {
    match random.below(1000) {
        0..700 => Some("会員都合"),
        700..850 => Some("契約終了"),
        850..950 => Some("途中退学"),
        950..990 => Some("除籍"),
        _ => None,
    }
}

/// Null for those who never logged in; shortly after the withdrawal for those who came back for
/// their certificates.
fn last_active_at(
    random: &mut Random,
    fate: &Fate,
    registered_on: Date,
    as_of: Date,
) -> Option<String> {
    if random.happens(20) {
        return None;
    }
    let last = match *fate {
        Fate::Active | Fate::AnnouncedClients(_) => as_of,
        Fate::Withdrawn(day) if random.happens(150) => {
            days_before(day, -random.between(1, 240)).min(as_of)
        }
        Fate::Withdrawn(day) => day,
        Fate::Border(_) if random.happens(300) => {
            let day = near_border(random, as_of, LAST_USE_MONTHS);
            return Some(edge_of(random, day));
        }
        Fate::Border(day) => day,
    };
    let span = u32::try_from(days_between(registered_on, last)).unwrap_or(0);
    let idle_days = random.below_mostly_small(span.min(90));
    Some(moment_on(
        random,
        days_before(last, idle_days.cast_signed()),
    ))
}

/// The row of learner `number`.
pub(super) fn learner_row(number: u64, as_of: Date) -> Row {
    let relationship = Relationship::of(number, as_of);
    let person = Person::of(number, as_of);
    let mut random = Random::of(Stream::Detail, number);
    let accommodation = random
        .happens(15)
        .then(|| random.pick(&["字幕の表示", "試験時間の延長", "画面読み上げ"]));
    let refund_account = random
        .happens(40)
        .then(|| format!("0000-000-{:07}", random.below(10_000_000)));
    let channel = random.pick(&["WEB", "DM-", "EVT"]);
    let year = relationship.registered_on.year();
    let referral_code = format!("{channel}-{year}-{:06}", random.below(1_000_000));
    let newsletter = random.happens(300);
    let note = random
        .happens(120)
        .then(|| random.pick(&LEARNER_NOTES).replace("{}", person.family.0));
    vec![
        number.cast_signed().into(),
        relationship.client_id.into(),
        person.family.0.into(),
        person.given.0.into(),
        person.family.1.into(),
        person.given.1.into(),
        person.email.into(),
        person.phone.into(),
        person.postal_code.into(),
        person.prefecture.into(),
        person.address.into(),
        person.birth_date.to_string().into(),
        accommodation.into(),
        refund_account.into(),
        referral_code.into(),
        newsletter.into(),
        note.into(),
        relationship.registered_on.to_string().into(),
        relationship.withdrawn_on.map(|day| day.to_string()).into(),
        relationship.withdrawal_reason.into(),
        relationship.last_active_at.into(),
        Cell::Null,
    ]
}

/// The contacts of learner `number`: one, and a second one for every fourth learner.
pub(super) fn contact_rows(number: u64, as_of: Date) -> Vec<Row> {
    let mut random = Random::of(Stream::Contact, number);
    let mut rows = vec![vec![
        random.uuid().into(),
        number.cast_signed().into(),
        "緊急連絡先".into(),
        mobile_number(&mut random).into(),
    ]];
    if number.is_multiple_of(4) {
        let person = Person::of(number, as_of);
        let address = format!("{}.{number}.private@example.ne.jp", person.family.2);
        rows.push(vec![
            random.uuid().into(),
            number.cast_signed().into(),
            "私用メール".into(),
            address.into(),
        ]);
    }
    rows
}

/// The two logins of learner `number`. Addresses are those kept for documents (RFC 5737).
pub(super) fn login_rows(number: u64, as_of: Date) -> Vec<Row> {
    let relationship = Relationship::of(number, as_of);
    let mut random = Random::of(Stream::Login, number);
    let last = relationship.last_day(as_of);
    let span = days_between(relationship.registered_on, last);
    let mut row = |login: u64| {
        let day = days_before(last, random.between(0, span));
        let network = random.pick(&["192.0.2", "198.51.100", "203.0.113"]);
        vec![
            login.cast_signed().into(),
            number.cast_signed().into(),
            moment_on(&mut random, day).into(),
            format!("{network}.{}", random.between(1, 254)).into(),
            random
                .pick(&["Sample/1.0 (desktop)", "Sample/1.0 (mobile)"])
                .into(),
        ]
    };
    vec![row(number * 2 - 1), row(number * 2)]
}
