//! Making a value coarser.

use jiff::civil::Date;
use kigen_evidence::value::Value;

use super::first_characters;
use crate::job::Generalize;

/// The 47 prefectures (都道府県, JIS X 0401) in code order.
const PREFECTURES: [&str; 47] = [
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

/// What stands for an address in which no prefecture can be found.
const UNKNOWN_PREFECTURE: &str = "不明";

/// The first month of the fiscal year (年度).
const FISCAL_YEAR_MONTH: i8 = 4;

/// Returns the coarser value, or `None` if `value` is not of the kind that `how` reads.
pub(super) fn generalize(how: Generalize, value: &Value) -> Option<Value> {
    match how {
        Generalize::Month => coarser_day(value, jiff::civil::Date::first_of_month),
        Generalize::Year => coarser_day(value, jiff::civil::Date::first_of_year),
        Generalize::FiscalYear => coarser_day(value, first_of_fiscal_year),
        Generalize::PostalPrefix { characters } => {
            let text = value.store_text()?;
            Some(Value::Text(first_characters(&text, characters)))
        }
        Generalize::Prefecture => Some(Value::Text(prefecture(&value.store_text()?))),
        Generalize::Band { width } => band(value, width),
    }
}

fn coarser_day(value: &Value, coarser: impl Fn(Date) -> Date) -> Option<Value> {
    let (Value::Text(text) | Value::Local(text)) = value else {
        return None;
    };
    // A time of day behind the date goes with the day.
    let day: Date = text.get(..10)?.parse().ok()?;
    Some(Value::Local(coarser(day).to_string()))
}

fn first_of_fiscal_year(day: Date) -> Date {
    let year = if day.month() < FISCAL_YEAR_MONTH {
        day.year() - 1
    } else {
        day.year()
    };
    Date::new(year, FISCAL_YEAR_MONTH, 1).unwrap_or_else(|_| day.first_of_year())
}

fn prefecture(address: &str) -> String {
    let found = PREFECTURES
        .iter()
        .find(|prefecture| address.trim_start().starts_with(**prefecture));
    found
        .map_or(UNKNOWN_PREFECTURE, |prefecture| prefecture)
        .to_owned()
}

/// The lower end of the band that holds the number.
fn band(value: &Value, width: u32) -> Option<Value> {
    let width = i64::from(width);
    match value {
        Value::Int(number) => Some(Value::Int(number.div_euclid(width) * width)),
        Value::Decimal(text) | Value::Text(text) => {
            let whole: i64 = text.split('.').next()?.parse().ok()?;
            // A negative number with a fraction lies one below its whole part.
            let below = i64::from(text.starts_with('-') && text.contains('.'));
            Some(Value::Decimal(
                ((whole - below).div_euclid(width) * width).to_string(),
            ))
        }
        _ => None,
    }
}
