//! A QR code as squares.

use qrcode::types::QrError as Refusal;
use qrcode::{Color, EcLevel};
use serde::Serialize;
use thiserror::Error;

/// Squares of quiet around a code, as its standard demands.
const QUIET: usize = 4;

/// Why there is no code.
#[derive(Debug, Error)]
#[error("the text does not fit into a QR code: {0}")]
pub struct QrError(Refusal);

/// A QR code, the quiet around it included.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct QrCode {
    /// What it says.
    pub text: String,
    /// Squares along one side.
    pub side: usize,
    /// The dark squares as a path of SVG that is stroked with a width of 1: a line for each run in a row.
    pub path: String,
}

impl QrCode {
    /// The code that says `text`; a quarter of it may be soiled.
    pub fn of(text: &str) -> Result<Self, QrError> {
        let code =
            qrcode::QrCode::with_error_correction_level(text, EcLevel::Q).map_err(QrError)?;
        let width = code.width();
        let colors = code.to_colors();
        let mut path = String::new();
        for (y, row) in colors.chunks(width).enumerate() {
            let mut end = None;
            for (x, length) in dark_runs(row) {
                match end {
                    None => path.push_str(&format!("M{} {}.5h{length}", x + QUIET, y + QUIET)),
                    Some(end) => path.push_str(&format!("m{} 0h{length}", x - end)),
                }
                end = Some(x + length);
            }
        }
        Ok(Self {
            text: text.to_owned(),
            side: width + 2 * QUIET,
            path,
        })
    }
}

/// Where the dark squares of a row begin, and how many they are.
fn dark_runs(row: &[Color]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (x, color) in row.iter().enumerate() {
        if *color == Color::Light {
            continue;
        }
        match runs.last_mut() {
            Some((start, length)) if *start + *length == x => *length += 1,
            Some(_) | None => runs.push((x, 1)),
        }
    }
    runs
}
