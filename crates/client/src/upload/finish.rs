//! Complete, and proof that the object is the file.

use std::time::Duration;

use partgate_api::{ChecksumAlgorithm, ChecksumType, CompleteRequest, Completion, Problem, StoredPart};

use super::ChecksumProof;
use super::driver::{Driver, Parts};
use crate::checksum::{composite, full_object};
use crate::error::Error;
use crate::gateway::{CompleteAnswer, Gateway};
use crate::progress::Phase;

/// How often complete may find parts missing or wrong before that is somebody's bug.
const ROUNDS_MAX: u32 = 10;

/// What the object must be.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    pub(super) size_bytes: u64,
    pub(super) algorithm: ChecksumAlgorithm,
    /// Each part's checksum and size, in order; `None` when one is unknown.
    pub(super) parts: Option<Vec<(String, u64)>>,
    pub(super) sha256: Option<String>,
}

/// Calls complete until the object is there, sends what was lost on the way, and compares the answer.
///
/// `check` is asked before each call whether the file is still the same; `expected` says what it is.
pub(super) async fn finish(
    driver: &mut Driver,
    check: impl Fn() -> Result<(), Error>,
    expected: impl AsyncFn(&Driver) -> Result<Expected, Error>,
) -> Result<(Completion, ChecksumProof), Error> {
    let mut rounds = 0;
    loop {
        let stored = match driver.run().await {
            Ok(stored) => stored,
            Err(error) => return Err(explain(driver, error).await),
        };
        check()?;
        let expected = expected(driver).await?;
        driver.parts.reporter.phase(Phase::Completing);
        let request = request(&expected, stored);
        let refused = match complete(&driver.parts.gateway, driver.parts.upload_id, request).await {
            Ok(completion) => {
                let proof = verify(&completion, &expected)?;
                return Ok((completion, proof));
            }
            Err(Error::Rejected(problem)) => problem,
            Err(error) => return Err(error),
        };
        rounds += 1;
        let again = parts_to_send_again(&refused, driver);
        if again.is_empty() || rounds >= ROUNDS_MAX {
            return Err(Error::Rejected(refused));
        }
        tracing::debug!(parts = again.len(), code = %refused.code, "complete asks for parts again");
        driver.parts.transfer.send_again(&again, std::time::Instant::now());
    }
}

/// Storage refuses to replace an object that is not this upload's: complete says so in the gateway's own words.
async fn explain(driver: &Driver, error: Error) -> Error {
    if !matches!(error, Error::StorageRefused { status: 412, .. }) {
        return error;
    }
    let Parts { gateway, upload_id, .. } = &driver.parts;
    match complete(gateway, *upload_id, CompleteRequest::default()).await {
        Err(Error::Rejected(problem)) if problem.code == "object_exists" => Error::Rejected(problem),
        _ => error,
    }
}

fn request(expected: &Expected, stored: Vec<StoredPart>) -> CompleteRequest {
    CompleteRequest {
        stored,
        // Also of a file: a gateway that has lost its database does not know how large it is.
        size: Some(expected.size_bytes),
        sha256: expected.sha256.clone(),
        checksum: expected.full_object(),
    }
}

/// Complete, asked again as long as it goes on: what was reported with the first call is not repeated.
pub(super) async fn complete(
    gateway: &Gateway,
    upload_id: uuid::Uuid,
    mut request: CompleteRequest,
) -> Result<Completion, Error> {
    loop {
        match gateway.complete_once(upload_id, &request).await? {
            CompleteAnswer::Done(completion) => return Ok(*completion),
            CompleteAnswer::GoesOn(_, wait) => {
                request.stored.clear();
                tokio::time::sleep(wait.max(Duration::from_millis(100))).await;
            }
        }
    }
}

fn parts_to_send_again(problem: &Problem, driver: &Driver) -> Vec<u32> {
    let transfer = &driver.parts.transfer;
    let numbers: Vec<u32> = match problem.code.as_str() {
        "parts_missing" => transfer.grid().map(|grid| grid.numbers(&problem.missing).collect()),
        "part_mismatch" => Some(problem.parts.iter().map(|part| part.number).collect()),
        _ => None,
    }
    .unwrap_or_default();
    numbers.into_iter().filter(|number| transfer.is_kept(*number)).collect()
}

impl Expected {
    /// Of parts with known checksums.
    pub(super) fn parts(
        size_bytes: u64,
        algorithm: ChecksumAlgorithm,
        parts: Option<Vec<(&str, u64)>>,
    ) -> Self {
        let parts = parts.map(|parts| {
            parts.into_iter().map(|(checksum, len_bytes)| (checksum.to_owned(), len_bytes)).collect()
        });
        Self { size_bytes, algorithm, parts, sha256: None }
    }

    fn full_object(&self) -> Option<String> {
        let parts = self.parts.as_ref()?;
        full_object(self.algorithm, parts.iter().map(|(checksum, len)| (checksum.as_str(), *len)))
    }

    fn composite(&self) -> Option<String> {
        composite(self.algorithm, self.parts.as_ref()?.iter().map(|(checksum, _)| checksum.as_str()))
    }

    /// The checksum that the object must have, of the type that storage keeps.
    fn checksum(&self, checksum_type: ChecksumType) -> Option<String> {
        match (checksum_type, self.parts.as_deref()) {
            (ChecksumType::FullObject, Some([(only, _)])) => Some(only.clone()),
            (ChecksumType::FullObject, _) => self.full_object(),
            (ChecksumType::Composite, _) => self.composite(),
        }
    }
}

/// Compares the gateway's answer with what was read here.
pub(super) fn verify(completion: &Completion, expected: &Expected) -> Result<ChecksumProof, Error> {
    let differ = |what: &str, theirs: &str, ours: &str| {
        Err(Error::WrongObject(format!("its {what} is {theirs}, the file's is {ours}")))
    };
    if completion.size != expected.size_bytes {
        return differ("size", &completion.size.to_string(), &expected.size_bytes.to_string());
    }
    if let Some(ours) = &expected.sha256
        && completion.sha256.as_ref() != Some(ours)
    {
        return differ("sha256", completion.sha256.as_deref().unwrap_or("not proven"), ours);
    }
    let Some(theirs) = completion.checksum.as_ref().filter(|kept| kept.algorithm == expected.algorithm)
    else {
        return Ok(ChecksumProof::NotCompared);
    };
    match expected.checksum(theirs.checksum_type) {
        Some(ours) if ours == theirs.value => Ok(ChecksumProof::Equal),
        Some(ours) => differ(expected.algorithm.name(), &theirs.value, &ours),
        None => Ok(ChecksumProof::NotCompared),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::Hasher;
    use partgate_api::{ObjectChecksum, UploadState};

    fn crc(bytes: &[u8]) -> String {
        let mut hasher = Hasher::new(ChecksumAlgorithm::Crc64nvme);
        hasher.update(bytes);
        hasher.finish().unwrap()
    }

    fn expected() -> Expected {
        Expected {
            size_bytes: 9,
            algorithm: ChecksumAlgorithm::Crc64nvme,
            parts: Some(vec![(crc(b"12345"), 5), (crc(b"6789"), 4)]),
            sha256: None,
        }
    }

    fn completion(value: &str) -> Completion {
        Completion {
            upload_id: uuid::Uuid::nil(),
            state: UploadState::Completed,
            bucket: "b".into(),
            key: "k".into(),
            location: String::new(),
            size: 9,
            etag: String::new(),
            version_id: None,
            checksum: Some(ObjectChecksum {
                algorithm: ChecksumAlgorithm::Crc64nvme,
                checksum_type: ChecksumType::FullObject,
                value: value.into(),
            }),
            sha256: None,
            completed_at: time::OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_equal_checksum_is_proof() {
        let found = verify(&completion(&crc(b"123456789")), &expected()).unwrap();
        assert_eq!(found, ChecksumProof::Equal);
    }

    #[test]
    fn another_checksum_size_or_sha256_is_a_wrong_object() {
        let right = completion(&crc(b"123456789"));
        let wrong = |completion: Completion, expected: Expected| {
            assert!(matches!(verify(&completion, &expected), Err(Error::WrongObject(_))), "{completion:?}");
        };
        wrong(completion(&crc(b"123456780")), expected());
        wrong(Completion { size: 8, ..right.clone() }, expected());
        wrong(right, Expected { sha256: Some("ab".into()), ..expected() });
    }

    #[test]
    fn without_a_checksum_there_is_nothing_to_compare() {
        let none = Completion { checksum: None, ..completion("") };
        assert_eq!(verify(&none, &expected()).unwrap(), ChecksumProof::NotCompared);
        let unknown = Expected { parts: None, ..expected() };
        assert_eq!(verify(&completion("x"), &unknown).unwrap(), ChecksumProof::NotCompared);
    }
}
