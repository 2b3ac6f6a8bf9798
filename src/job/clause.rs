//! On which grounds a rule stands: the published clause, and who approved the rule.

/// The published clause that a rule carries out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The document: `プライバシーポリシー 第8条`.
    pub document: String,
    pub version: String,
    pub text: String,
    /// SHA-256 of `text`, in hex; computed.
    pub text_sha256: String,
}

/// Who approved a rule. A role, never a person's name: certificates repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub role: String,
    /// Where the approval is written down: `CHG-1234`.
    pub ticket: String,
}
