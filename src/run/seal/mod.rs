//! temporary
mod context;
pub use context::*;
pub mod verify {
    #[derive(Debug, serde::Serialize)]
    pub struct V {}
    impl V { pub fn holds(&self) -> bool { true } }
    impl std::fmt::Display for V { fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
    pub fn verify_all(_f: &std::path::Path) -> Result<V, std::io::Error> { Ok(V {}) }
}
pub async fn seal(_c: &SealContext<'_>, _r: &crate::ledger::fold::RunRecord, _n: jiff::Timestamp, _p: &(dyn Fn(u64) + Sync)) -> Result<SealedRun, std::io::Error> {
    Ok(SealedRun { run_id: String::new(), certificates: vec![] })
}
