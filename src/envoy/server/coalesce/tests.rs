//! Answers that are ready together are written together, and a single one does not wait.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

#[tokio::test]
async fn a_write_waits_for_the_tasks_that_are_ready() {
    let (near, mut far) = duplex(64);
    let mut gathering = CoalescingWriter::new(near);
    let had_its_turn = Arc::new(AtomicBool::new(false));
    let ready = Arc::clone(&had_its_turn);
    let task = tokio::spawn(async move { ready.store(true, Ordering::SeqCst) });
    let seen = Arc::clone(&had_its_turn);
    let write = std::future::poll_fn(|cx| {
        let written = Pin::new(&mut gathering).poll_write(cx, b"answer");
        // However often it is asked, as by every answer that is ready meanwhile.
        assert!(written.is_pending() || seen.load(Ordering::SeqCst));
        if written.is_pending() {
            assert!(Pin::new(&mut gathering).poll_write(cx, b"answer").is_pending());
        }
        written
    });
    assert_eq!(write.await.unwrap(), 6);
    task.await.unwrap();
    let mut read = [0; 6];
    far.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"answer");
}

/// Time stands still: a wait for it would never end.
#[tokio::test(start_paused = true)]
async fn where_nothing_else_is_ready_nothing_is_waited_for() {
    let (near, mut far) = duplex(64);
    let mut gathering = CoalescingWriter::new(near);
    let before = tokio::time::Instant::now();
    for _ in 0..3 {
        gathering.write_all(b"answer").await.unwrap();
        gathering.flush().await.unwrap();
        let mut read = [0; 6];
        far.read_exact(&mut read).await.unwrap();
    }
    assert_eq!(tokio::time::Instant::now(), before);
}

/// Outside of a worker's turn too, as on the runtime's own thread.
#[tokio::test(flavor = "multi_thread")]
async fn every_runtime_ends_its_turns() {
    let (near, mut far) = duplex(64);
    let mut gathering = CoalescingWriter::new(near);
    let writing = async {
        gathering.write_all(b"answer").await.unwrap();
        gathering.flush().await.unwrap();
    };
    writing.await;
    let more = tokio::spawn(async move { gathering.write_all(b"another").await });
    let mut read = [0; 13];
    far.read_exact(&mut read).await.unwrap();
    more.await.unwrap().unwrap();
    assert_eq!(&read, b"answeranother");
}
