//! The one table of words: Japanese and English of each text, side by side.
//!
//! No word claims more than a database or an object store can do. Japanese says 消去 as the law
//! does, and never 論理削除, which in Japanese is a mark on a row that stays.

mod fixed;

use super::language::Language;

pub(super) use fixed::{
    action, certifies, class, result, retained, starting_point, status, technique, trigger,
    unverifiable, verification,
};

/// One text in both languages.
#[derive(Clone, Copy)]
pub(super) struct Word {
    ja: &'static str,
    en: &'static str,
}

impl Word {
    pub(super) const fn of(self, language: Language) -> &'static str {
        match language {
            Language::Ja => self.ja,
            Language::En => self.en,
        }
    }

    /// The text in the other language.
    pub(super) const fn beside(self, language: Language) -> &'static str {
        match language {
            Language::Ja => self.en,
            Language::En => self.ja,
        }
    }
}

const fn word(ja: &'static str, en: &'static str) -> Word {
    Word { ja, en }
}

macro_rules! table {
    ($($name:ident: $ja:literal, $en:literal;)*) => {
        $(pub(super) const $name: Word = word($ja, $en);)*

        /// Every text of the table, for tests.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, Word)] = &[$((stringify!($name), $name)),*];
    };
}

table! {
    // Titles: what was only pseudonymized was not deleted.
    TITLE_DELETED: "データ削除証明書", "Certificate of Data Deletion";
    TITLE_BOTH: "データ削除・仮名加工証明書", "Certificate of Data Deletion and Pseudonymization";
    TITLE_PSEUDONYMIZED: "仮名加工証明書", "Certificate of Pseudonymization";
    TITLE_RECORD_RECEIPT: "消去等の個別証明書（記録）", "Receipt for One Record";
    TITLE_PERSON_RECEIPT: "消去等の個別証明書（本人）", "Receipt for One Person";

    // The head.
    CERTIFICATE_NUMBER: "証明書番号", "Certificate no.";
    ISSUED_ON: "発行日", "Issued on";
    CLIENT: "委託元", "Client";
    CLIENT_NAME: "委託元の識別名", "Client's identifier";
    ISSUER: "発行者", "Issuer";
    CORPORATE_NUMBER: "法人番号", "Corporate number (Japan)";
    WORKER: "処理プログラム", "Software";
    STAMP: "印（任意）", "Stamp (optional)";
    PAGE: "ページ", "Page";

    // What is certified.
    DECLARE_DELETED:
        "当社は、保存期間が終了した記録を、下記のとおり消去したことを証明します。",
        "We certify that the records stated below, whose retention period had ended, were deleted.";
    DECLARE_BOTH:
        "当社は、保存期間が終了した記録を、下記のとおり消去又は仮名加工したことを証明します。",
        "We certify that the records stated below, whose retention period had ended, were deleted or pseudonymized.";
    DECLARE_PSEUDONYMIZED:
        "当社は、当初の利用目的に係る保存期間が終了した記録を、下記のとおり仮名加工したことを証明します。",
        "We certify that the records stated below, whose retention period for their first purpose had ended, were pseudonymized.";

    // What must not be overlooked.
    PARTIAL: "一部未了", "Partial";
    PARTIAL_TEXT:
        "消去等の時期に達した記録のうち、今回の実行で処理できずに残っているものがあります。本証明書は、下記の件数の処理だけを証明します。",
        "Some records that were due could not be processed in this run and are still there. This certificate covers only the numbers stated below.";
    PSEUDONYMIZED_NOTE: "仮名加工について", "About pseudonymization";
    PSEUDONYMIZED_TEXT:
        "仮名加工した記録は消去されていません。仮名加工の後も個人データであり、引き続き個人データとして取り扱われます。",
        "Pseudonymized records have not been deleted. They remain personal data and continue to be handled as such.";

    // Outcome and time.
    OVERVIEW: "処理の概要", "Overview";
    STATUS: "結果", "Result";
    STATUS_COMPLETE:
        "完了（基準日に消去等の時期に達していた記録に、未処理のものはありません）",
        "complete (of the records that were due on the reference day none is left)";
    STATUS_PARTIAL: "一部未了（未処理の記録が残っています）", "partial (records that were due are left)";
    TRIGGER: "実行の契機", "Trigger";
    TRIGGER_SCHEDULED: "保存期間の終了に基づく定期処理", "scheduled retention";
    TRIGGER_RECONCILIATION: "バックアップの復元により戻った記録の再処理", "restore reconciliation: records that a restored backup had brought back";
    RECONCILES: "再処理の根拠となる証明書", "Certificates carried out again";
    AS_OF: "基準日", "Reference day";
    PERIOD: "処理期間", "Period of processing";
    SEALED: "証明書の確定", "Certificate sealed";
    RUN: "実行番号", "Run";

    // What was removed.
    TARGETS: "対象データと件数", "Data and numbers of records";
    TARGETS_CAPTION: "対象データごとの処理結果と件数", "Result and number of records for each kind of data";
    NUMBER: "番号", "No.";
    DATA: "対象データ", "Data";
    PLACE: "保存先", "Where it was kept";
    RESULT: "処理結果", "Result";
    METHOD: "消去方法", "Method";
    BASIS: "根拠", "Rule";
    COUNT: "件数", "Records";
    TOTAL: "合計", "Total";
    REPEATED:
        "同じ実行の中で再び現れ、再び処理された記録（上の件数に含まれません）：",
        "Records that came back within the run and were removed again (not among the numbers above): ";

    // Why.
    BASES: "根拠条項と保存期間", "Clauses and retention periods";
    CLUSTER: "クラスタ（データの区分）", "Cluster of data";
    CLAUSE: "根拠条項", "Clause";
    CLAUSE_TEXT: "条項の文言", "Words of the clause";
    APPROVAL: "規則の承認（役職・記録）", "Rule approved by (role, record)";
    CLAUSE_VERSION: "版", "Version";
    CLAUSE_DIGEST: "条項の文言のSHA-256", "SHA-256 of the clause's text";
    RULE_DIGEST: "消去規則のSHA-256", "SHA-256 of the deletion rule";
    PURPOSES_CAPTION: "利用目的ごとの保存期間", "Retention period of each purpose";
    PURPOSE: "利用目的", "Purpose";
    STARTING_POINT: "起算点", "Starting point";
    RETENTION_PERIOD: "保存期間", "Retention period";
    CUTOFF: "起算日がこの日より前のものが対象", "Ended if it started before";
    REASONS: "理由別の件数", "Numbers by reason";
    REASONS_CAPTION: "最後に終了した利用目的、又は残した理由ごとの件数", "By the purpose that ended last, or by the reason for keeping";
    REASON: "理由", "Reason";
    ENDED_BY: "最後に終了した利用目的：", "purpose that ended last: ";
    KEPT: "残した記録：", "kept: ";
    AT_ONCE: "直ちに", "at once";

    // A look back.
    VERIFICATION: "処理後の確認", "Check after the removal";
    VERIFICATION_CAPTION: "保存先への再照会の結果", "Result of asking the stores again";
    VERIFICATION_METHOD: "確認方法", "Method";
    REMAINING: "残存件数", "Still there";
    CHECKED_AT: "確認日時", "Checked at";
    CHECKED: "照会件数", "Looked at";
    VERIFICATION_RESULT: "確認結果", "Result";
    RESULT_VERIFIED: "残存なし", "verified: nothing is there";
    RESULT_NOT_VERIFIED: "残存あり", "not verified: something is there";
    RESULT_UNVERIFIABLE: "確認不能", "unverifiable";
    UNVERIFIABLE_OFF: "確認を行わない設定", "no look back is configured";
    UNVERIFIABLE_MANY: "件数が確認の上限を超過", "more records than are looked at";
    UNVERIFIABLE_STORE: "保存先が応答せず", "the store did not answer";
    UNVERIFIABLE_JOB: "処理後に規則が変更", "the job has changed since";
    UNVERIFIABLE_NOBODY: "同じキーの記録の本人を判別できない", "a record with a removed key names nobody";
    UNVERIFIABLE_NEVER_FOUND: "処理前から存在せず", "nothing of it was found";
    NOT_VERIFIED: "未実施", "not carried out";
    NEVER_VERIFIED:
        "この証明書の確定までに、保存先への再照会は行われていません。",
        "The stores had not been asked again when this certificate was sealed.";
    REQUERY_FULL: "全件の再照会", "all records queried again";
    REQUERY_KEYS: "消去した行のキーによる再照会", "removed rows queried again by their keys";
    REQUERY_SAMPLE: "抽出による再照会", "a sample queried again";
    RELIST_VERSIONS: "版の一覧の再取得", "versions listed again";

    // Copies.
    RESIDUALS: "残存する複製（バックアップ等）とその消滅期限", "Copies that remain (backups etc.) and when they expire";
    RESIDUALS_CAPTION: "処理の対象外の複製", "Copies that were not reached";
    COPY: "複製の所在", "Copy";
    KEPT_FOR: "保持期間", "Kept for";
    EXPIRES_BY: "消滅期限", "Expires by";
    NOT_STATED: "記載なし", "not stated";
    NO_RESIDUALS:
        "発行者は、残存する複製を申告していません。複製が存在しないことを証明するものではありません。",
        "The issuer states no remaining copies. This does not certify that there are none.";

    // What it reaches.
    SCOPE: "本証明書の範囲", "What this certificate covers";
    SCOPE_DONE:
        "上記の保存先に対する処理の結果と、証明書の発行後に改変がないことを、検証できます。",
        "The result of the processing in the stores above, and that nobody changed the certificate later, can be verified.";
    SCOPE_NOT_MEDIA:
        "記憶媒体上の痕跡や、上記以外の場所にある複製が残っていないことまでは証明しません。",
        "It does not certify that no trace is left on storage media, or that no copy is left elsewhere.";
    SCOPE_NO_PERSONAL_DATA:
        "本証明書は、個人を識別する情報を含みません。",
        "The certificate holds no information that identifies a person.";

    // Proof.
    PROOF: "検証方法", "How to verify";
    PAYLOAD_DIGEST: "署名対象のSHA-256", "SHA-256 of the signed payload";
    SIGNATURE: "電子署名", "Signature";
    SIGNATURE_KIND: "Ed25519（DSSE v1、in-toto Statement v1）", "Ed25519 (DSSE v1, in-toto Statement v1)";
    KEY_ID: "署名鍵の識別子", "Key";
    LEAVES_DIGEST: "leaves.binのSHA-256", "SHA-256 of leaves.bin";
    LEAVES: "リーフ数", "Leaves";
    LEAVES_RECORD: "記録", "records";
    LEAVES_SUBJECT: "本人別", "by person";
    TREE_ORIGIN: "実行チェックポイント", "Run checkpoint";
    TREE_ROOT: "ルート（Base64）", "Root (Base64)";
    LOG: "証明書ログ", "Certificate log";
    LOG_PREVIOUS: "直前のログの先頭", "Log head before it";
    NO_LOG: "登録なし", "not entered";
    EVIDENCE_KEY: "証拠鍵", "Evidence key";
    DESTROYED_AFTER: "廃棄予定日", "to be destroyed after";
    CODE_LABEL: "署名対象のSHA-256（QRコード）", "SHA-256 of the signed payload (QR code)";
    NOTICE_HTML:
        "本ページは表示用です。証拠は添付の署名付きデータです。",
        "This page is for reading. The evidence is the attached signed data.";
    NOTICE_PDF:
        "本PDFは表示用です。証拠は添付の署名付きデータです。",
        "This PDF is for reading. The evidence is the attached signed data.";
    ATTACHMENT: "署名付きデータ（cert.dsse.json）を保存", "Save the signed data (cert.dsse.json)";
    STEP_SAVE_HTML:
        "添付の署名付きデータを cert.dsse.json として保存します。",
        "Save the attached signed data as cert.dsse.json.";
    STEP_SAVE_PDF:
        "このPDFに添付された cert.dsse.json を取り出します（例：pdfdetach -saveall）。",
        "Detach cert.dsse.json from this PDF (for instance with pdfdetach -saveall).";
    STEP_KEY:
        "発行者の公開鍵 certificate.pub.pem を、本書とは別の経路（契約書、窓口等）で入手します。",
        "Get the issuer's public key certificate.pub.pem by another way than this document (contract, office).";
    STEP_COMMANDS:
        "次のコマンドで署名を検証し、末尾に表示されるSHA-256が上記及びQRコードと一致することを確認します。",
        "Verify the signature with these commands, and compare the SHA-256 printed last with the one above and in the QR code.";
    STEP_FOLDER:
        "公開フォルダ全体（leaves.bin等を含む）は kigen certificate verify フォルダ --key certificate.pub.pem で検証できます。",
        "The whole published folder (leaves.bin included) is checked by kigen certificate verify FOLDER --key certificate.pub.pem.";

    // Receipts.
    RECEIPT_WARNING: "本書は本人の個人データです", "This receipt is personal data of that person";
    RECEIPT_WARNING_TEXT:
        "本人（又は正当な代理人）に交付し、発行者は写しを保存しないでください。",
        "Hand it over to the person (or a lawful representative). The issuer keeps no copy.";
    RECEIPT_RECORD_DECLARATION:
        "下記の記録が、下記の証明書に含まれる処理の対象であったことを示します。",
        "It shows that the record below was processed as stated in the certificate below.";
    RECEIPT_PERSON_DECLARATION:
        "下記の本人に関する記録が、下記の証明書に含まれる処理の対象であったことを示します。",
        "It shows that records about the person below were processed as stated in the certificate below.";
    RECEIPT_REMOVED: "処理された記録", "What was processed";
    RECEIPT_STORE: "保存先", "Store";
    RECEIPT_OBJECT: "対象", "Table or bucket";
    RECEIPT_KEY: "記録のキー", "Key of the record";
    RECEIPT_KEY_COLUMN: "列", "Column";
    RECEIPT_KEY_VALUE: "値", "Value";
    RECEIPT_PERSON: "本人の識別子", "Identifier of the person";
    RECEIPT_COUNT: "本人に関する件数", "Records about the person";
    RECEIPT_LEAF: "リーフ", "Leaf";
    RECEIPT_INDEX: "位置", "Place in the tree";
    RECEIPT_SIZE: "ツリーの大きさ", "Size of the tree";
    RECEIPT_DIGEST: "個別証明データのSHA-256", "SHA-256 of the receipt's data";
    RECEIPT_CODE_LABEL: "個別証明データのSHA-256（QRコード）", "SHA-256 of the receipt's data (QR code)";
    RECEIPT_ATTACHMENT: "個別証明データ（tlog-proof）を保存", "Save the receipt's data (tlog-proof)";
    RECEIPT_NOTICE:
        "本ページは表示用です。証拠は添付の個別証明データです。",
        "This page is for reading. The evidence is the attached data of the receipt.";
    RECEIPT_STEP_SAVE:
        "添付の個別証明データを record.tlog-proof として保存します。",
        "Save the attached data as record.tlog-proof.";
    RECEIPT_STEP_KEY:
        "ログの公開鍵 log.pub.pem を、本書とは別の経路で入手します。",
        "Get the log's public key log.pub.pem by another way than this document.";
    RECEIPT_STEP_SCRIPT:
        "公開された検証スクリプト（bash、coreutils、opensslのみを使用）を verify_receipt.sh record.tlog-proof log.pub.pem として実行します。",
        "Run the published script (bash, coreutils and openssl only): verify_receipt.sh record.tlog-proof log.pub.pem.";

    // Fixed words of statements.
    DELETED: "消去（行）", "deleted (row)";
    PSEUDONYMIZED: "仮名加工", "pseudonymized";
    VERSION_DELETED: "消去（オブジェクトの版）", "deleted (object version)";
    CRYPTO_ERASED: "復号鍵の廃棄", "decryption key destroyed";
    ALREADY_ABSENT: "処理前から不存在", "already absent";
    HELD: "保留（残存）", "held (still there)";
    MARKER_REMOVED: "削除マーカーの除去", "delete marker removed";
    UPLOAD_ABORTED: "未完了アップロードの中止", "unfinished upload aborted";
    BY_ROW: "行の削除", "deletion of rows";
    BY_REWRITING: "行の書換え", "rewriting of rows";
    BY_VERSION: "版を指定した削除", "deletion of versions";
    BY_FILE: "ファイルの削除", "removal of files";
    COLLECTION: "取得の日", "collection";
    END_OF_TRANSACTION: "取引・受講の終了の日", "end of the transaction";
    END_OF_RELATIONSHIP: "契約関係の終了（退会等）の日", "end of the relationship";
    REPLY_TO_REQUEST: "請求への回答の日", "reply to the request";
    REQUEST_OF_PERSON: "本人の請求の日", "request of the person";
    ALREADY_DISPOSED: "処理済み", "already disposed of";
    UNDATABLE: "起算日が不明", "no starting point can be read";
    STARTS_IN_FUTURE: "起算日が未到来", "starts in the future";
    NOT_EXPIRED: "保存期間が未了", "retention period goes on";
    REFERENCED: "他の記録から参照中", "another record still needs it";
}

/// The commands that verify a certificate with stock tools; the same in every language.
pub(super) const VERIFY_COMMANDS: &str = "\
jq -r .payload cert.dsse.json | base64 -d > payload
jq -r '.signatures[0].sig' cert.dsse.json | base64 -d > signature
{ printf 'DSSEv1 28 application/vnd.in-toto+json %d ' $(wc -c < payload)
  cat payload; } > signed
openssl pkeyutl -verify -pubin -inkey certificate.pub.pem \\
  -rawin -in signed -sigfile signature
sha256sum payload";
