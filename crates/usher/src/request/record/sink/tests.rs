use std::{
    io::{self, ErrorKind, Write},
    mem::ManuallyDrop,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc},
};

use usher_lab::{clock::TurnedClock, lines::Lines as Read};
use usher_rules::{plan::Level, time::Clock as _};

use super::{Format, KEPT, Log, Shared, Sink as _, WAITING};
use crate::request::{EventField, EventName, catch, note_panics, record::Recorder};

fn put(lines: &Log, text: &str) {
    lines.line(TurnedClock::new().now(), |line| writeln!(line, "{text}").unwrap());
}

/// The first write panics, as does one of the lines.
#[test]
fn a_writer_that_panics_holds_up_nobody() {
    struct Brittle(Read, bool);
    impl Write for Brittle {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            assert!(std::mem::replace(&mut self.1, true), "the terminal broke");
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    note_panics();
    let out = Read::default();
    let lines = Log::new(Brittle(out.clone(), false), Format::Json);
    put(&lines, "lost");
    lines.flush();
    let half = catch(|| {
        lines.line(TurnedClock::new().now(), |line| {
            write!(line, "half").unwrap();
            panic!("in the middle");
        });
    });
    assert!(half.is_err());
    put(&lines, "whole");
    lines.flush();
    assert_eq!(out.text(), "whole\n");
}

#[test]
fn every_line_is_there_after_a_flush_in_order() {
    let out = Read::default();
    let lines = Log::new(out.clone(), Format::Json);
    for n in 0..1000 {
        put(&lines, &n.to_string());
    }
    lines.flush();
    let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
    assert_eq!(out.text(), expected);
}

/// Takes its first batch, and then nothing until it is let go on.
struct Slow {
    out: Read,
    began: mpsc::Sender<()>,
    go_on: mpsc::Receiver<()>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.began.send(()).unwrap();
        self.go_on.recv().unwrap();
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A log that is read slowly loses lines of its own, counts them and says so in its own form. The
/// other one has them all.
#[test]
fn a_slow_reader_loses_its_own_lines_and_no_other_s() {
    const EVENTS: usize = 1000;
    let (began, begins) = mpsc::channel();
    let (goes_on, go_on) = mpsc::channel();
    let (slow, whole) = (Read::default(), Read::default());
    let reader = Slow { out: slow.clone(), began, go_on };
    let recorder = Recorder::new([
        Log::holding(4096, reader, Format::Text),
        Log::new(whole.clone(), Format::Json),
    ]);
    let now = TurnedClock::new().now();
    let event = |n: usize| {
        recorder.event(Level::Info, EventName::Reload, now).with(EventField::Routes, n).write()
    };
    event(0);
    begins.recv().unwrap(); // its reader has the first and is stuck
    (1..EVENTS).for_each(event);
    for _ in 0..2 {
        goes_on.send(()).unwrap();
    }
    recorder.flush();

    assert_eq!(whole.text().lines().count(), EVENTS);
    assert!(!whole.text().contains("records-dropped"));
    let text = slow.text();
    let (kept, said): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.contains(" reload "));
    let [said] = said[..] else { panic!("{said:?}") };
    let lost = EVENTS - kept.len();
    assert!(lost > 0 && said.contains(&format!("records-dropped records={lost} ")), "{said}");
    assert!(kept.iter().enumerate().all(|(n, line)| line.ends_with(&format!("routes={n}"))));
}

#[test]
fn the_last_line_before_the_end_is_written() {
    let out = Read::default();
    let lines = Log::new(out.clone(), Format::Json);
    put(&lines, "the end");
    drop(lines);
    assert_eq!(out.text(), "the end\n");
}

#[test]
fn a_buffer_serves_again_where_it_is_neither_huge_nor_nearly_empty() {
    for (octets, capacity, serves, why) in [
        (900, 1000, true, "full"),
        (125, 1000, true, "an eighth of it"),
        (124, 1000, false, "nearly empty, as after a burst"),
        (KEPT, KEPT, true, "the largest"),
        (KEPT, KEPT + 1, false, "huge"),
    ] {
        let shared = Shared::holding(WAITING);
        let mut batch = Vec::with_capacity(capacity);
        batch.resize(octets, b'a');
        shared.written(batch);
        let spare = shared.lock().spare.capacity();
        assert_eq!(spare, if serves { capacity } else { 0 }, "{why}");
    }
}

/// Beside a slow reader and a door that is never still there may be no moment without lines.
#[test]
fn a_flush_waits_for_what_had_come_and_no_longer() {
    let shared = Shared::holding(WAITING);
    let shared = Arc::new(shared);
    let log = Log { format: Format::Json, shared: Arc::clone(&shared) };
    let log = ManuallyDrop::new(log); // its end would wait for a writer, and there is none
    put(&log, "first");
    let came = shared.lock().came;
    let first = shared.next_batch(Format::Json).unwrap();
    put(&log, "second");
    assert!(shared.lock().out < came, "the first is not out");
    shared.written(first);
    assert!(shared.lock().out >= came, "it is, and the second is not waited for");
    let queue = shared.lock();
    assert!(queue.out < queue.came, "which is not out");
}

#[test]
fn lines_that_come_while_others_are_written_have_room_already() {
    let shared = Shared::holding(WAITING);
    shared.written(vec![b'a'; 4096]);
    shared.lock().waiting = b"first\n".to_vec();
    assert_eq!(shared.next_batch(Format::Json).unwrap(), b"first\n");
    let queue = shared.lock();
    assert!(queue.waiting.is_empty() && queue.waiting.capacity() >= 4096);
}

/// Does with each write what it is told: takes so many octets of it, or fails. Once there is nobody to
/// tell it, what `then` says.
struct Told {
    out: Read,
    asked: mpsc::Sender<()>,
    told: mpsc::Receiver<Option<usize>>,
    then: Option<usize>,
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _whoever_asks_left = self.asked.send(());
        match self.told.recv().unwrap_or(self.then) {
            Some(most) => self.out.write(bytes.get(..most).unwrap_or(bytes)),
            None => Err(ErrorKind::StorageFull.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn told_by(
    out: &Read,
    asked: mpsc::Sender<()>,
    told: mpsc::Receiver<Option<usize>>,
) -> impl Write + Send + use<> {
    Told { out: out.clone(), asked, told, then: Some(usize::MAX) }
}

/// A disk has no room in the middle of a line: nothing is lost or twice there once it has.
#[test]
fn what_can_t_be_written_is_held_until_it_can() {
    let ((asked, asks), (tell, told)) = (mpsc::channel(), mpsc::channel());
    let out = Read::default();
    let log = Log::new(told_by(&out, asked, told), Format::Json);
    put(&log, "first");
    asks.recv().unwrap();
    assert!(!log.is_stuck());
    tell.send(Some(3)).unwrap();
    asks.recv().unwrap();
    tell.send(None).unwrap();
    log.flush(); // is not waited for as long as nothing can be written
    assert!(log.is_stuck());
    assert!(log.failure().is_some());
    put(&log, "second");
    asks.recv().unwrap(); // tried again
    drop(tell); // and from here on all is taken
    while log.is_stuck() {
        log.flush();
    }
    log.flush();
    assert_eq!(out.text(), "first\nsecond\n");
    assert_eq!((log.lost(), log.failure()), (0, None));
}

/// The end of a log waits for no disk, and counts what it leaves.
#[test]
fn the_end_of_a_log_that_can_t_be_written_is_no_hang() {
    let ((asked, asks), (tell, told)) = (mpsc::channel(), mpsc::channel());
    let log = Log::new(Told { out: Read::default(), asked, told, then: None }, Format::Json);
    let shared = Arc::clone(&log.shared);
    put(&log, "first");
    asks.recv().unwrap();
    put(&log, "second");
    drop(tell);
    drop(log);
    while Arc::strong_count(&shared) > 1 {
        std::thread::yield_now();
    }
    assert_eq!(shared.lost.load(Relaxed), 2);
}

/// Where half of what may wait does, who wants no request without a record has to stop others.
#[test]
fn a_log_is_stuck_before_a_line_is_lost() {
    let ((asked, asks), (tell, told)) = (mpsc::channel(), mpsc::channel());
    let out = Read::default();
    let log = Log::holding(100, told_by(&out, asked, told), Format::Json);
    put(&log, "first");
    asks.recv().unwrap(); // its writer has it
    let line = "a".repeat(9);
    let stuck_at = (1..100).find(|_| {
        put(&log, &line);
        log.is_stuck()
    });
    assert_eq!(
        (stuck_at, log.lost()),
        (Some(7), 0),
        "seven lines of ten octets are more than half"
    );
    let lost_at = (8..100).find(|_| {
        put(&log, &line);
        log.lost() > 0
    });
    assert_eq!(lost_at, Some(12), "and eleven are more than all");
    drop(tell);
    while log.is_stuck() {
        log.flush();
    }
    log.flush();
    assert!(out.text().contains("records-dropped"), "{}", out.text());
}
