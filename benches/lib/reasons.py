"""Why a goal is not reached, where it is not: from profiles (`perf record`) of the release binary, not from guesses.

A topic that can compute its reason from what it has just measured says it itself.
"""

SHA256 = "the SHA-256 compressions that no signer can avoid are two thirds of it; see the limit below"

REASONS = {
    **dict.fromkeys(["signer-batch-aws-sdk-s3", "signer-batch-aws-sigv4", "signer-batch-rusty-s3", "signer-batch-limit"], SHA256),
    "complete-embedded": "it completes what storage lists, not what a client says: ListParts comes first, and takes the store as long "
                         "as `status?refresh=true` above; 40% of the gateway's CPU is the SDK's reading of XML",
    "complete-minio": "ListParts before it, HeadObject after it and two synced commits take what is above the storage's own time",
    "embedded-write": "the two cores are the limit, for both: of what a GiB costs the store, 23% is MD5 (of four bodies at once), 21% "
                      "copying out of the socket, 19% copying into the page cache, 9% waking threads, 6% fsync, 3% CRC-64; as the "
                      "only store on the machine it writes at 442 MiB/s",
    "embedded-read": "nothing is hashed or encoded any more: copying from the page cache and to the socket are 60% of the CPU, TCP and "
                     "waking the client most of the rest",
    "transfer-put": "within the noise of the disk: single turns differ by a fifth, see the client's CPU, which is the same",
    "transfer-page": "0.92, 0.98 and 0.92 in three runs, and 0.97 in six rounds by themselves (120 and 121 MiB/s, 9.3 and 9.1 s of "
                     "Chromium's CPU a GiB): Chromium and MinIO fill the two cores, and single rounds of the bare XHRs differ by a third. "
                     "With CRC-64 it is 0.72 to 0.78, because a worker reads the file as well, which costs Chromium 3.4 to 4.2 ms of CPU a "
                     "MiB (hashing: 0.9)",
    "transfer-gateway-cpu": "0.017, 0.020, 0.030 and 0.021 in four runs, for the same 100 wake-ups and 170 reads and writes an upload: "
                            "the host takes processor time away",
    "memory-idle": "most of it is pages of the program's file; `its own` has what is not",
}
