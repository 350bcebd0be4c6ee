//! Sends the corpus through a proxy and says what became of each case.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::corpus::{Case, Expect};
use crate::raw::{Log, Message, Stream, response, show};

/// Shows that a connection still knows where a request begins.
const SENTINEL: &[u8] = b"GET /sentinel HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n";

/// What a client saw.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Status and body of each answer.
    pub answers: Vec<(u16, String)>,
    /// The proxy ended the connection; otherwise it waited for more until the client did.
    pub ended: bool,
    /// What the strict reader would not read, or was left of an answer at the end.
    pub garbled: Option<String>,
    /// The sentinel was sent.
    pub asked_again: bool,
}

/// Sends a case and reads what comes. When nothing comes for `quiet`, the client says that it sends no more.
pub async fn drive(stream: impl Stream + 'static, case: &Case, quiet: Duration) -> Outcome {
    let (mut from, mut to) = tokio::io::split(stream);
    let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel::<bool>();
    let bytes = case.bytes.clone();
    let at_once = matches!(case.expect, Expect::Unfinished | Expect::Never(_));
    // A proxy that refuses need not read to the end.
    let sending = tokio::spawn(async move {
        let _ = to.write_all(&bytes).await;
        if at_once {
            let _ = to.shutdown().await;
        }
        while let Some(finish) = asked.recv().await {
            let _ = if finish { to.shutdown().await } else { to.write_all(SENTINEL).await };
        }
    });
    let mut outcome = Outcome::default();
    let wanted = case.expect.meant().len().max(1);
    let (mut buffer, mut bytes) = (Vec::new(), vec![0; 16 * 1024]);
    let (mut over, mut finished) = (false, at_once);
    while !over {
        let read = match tokio::time::timeout(quiet, from.read(&mut bytes)).await {
            Ok(read) => read.unwrap_or(0),
            Err(_) if finished => break,
            Err(_) => {
                finished = true;
                let _ = ask.send(true);
                continue;
            }
        };
        over = read == 0;
        outcome.ended = over && (at_once || !finished);
        buffer.extend_from_slice(&bytes[..read]);
        while !buffer.is_empty() {
            match response(&buffer, "GET", over) {
                Ok(Some((message, used))) => {
                    buffer.drain(..used);
                    if message.head.status() >= 200 {
                        outcome.answers.push((message.head.status(), message.text()));
                    }
                    let last = message.head.status() >= 400
                        || message.head.list("connection").contains(&"close".into());
                    if outcome.answers.len() == wanted && !last && !finished && !outcome.asked_again {
                        outcome.asked_again = true;
                        let _ = ask.send(false);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    outcome.garbled = Some(error);
                    over = true;
                    break;
                }
            }
        }
    }
    if !buffer.is_empty() && outcome.garbled.is_none() {
        outcome.garbled = Some(format!("an answer is not complete: {}", show(&buffer)));
    }
    sending.abort();
    outcome
}

/// Summaries of what arrived because of the case.
pub fn arrived(log: &Log) -> Vec<String> {
    let own = |it: &&Message| !["/sentinel", "/after"].contains(&it.head.target());
    log.requests.iter().filter(own).map(Message::summary).collect()
}

/// Whether the case became what it has to.
pub fn verify(case: &Case, outcome: &Outcome, log: &Log) -> Result<(), String> {
    let meant = case.expect.meant();
    let arrived = arrived(log);
    if let Some(violation) = log.violations.first() {
        return Err(format!("what arrived can be read in several ways: {violation}"));
    }
    if let Some(garbled) = &outcome.garbled {
        return Err(format!("the answer: {garbled}"));
    }
    if let Some(hidden) = arrived.iter().find(|it| it.contains(" /smuggled ")) {
        return Err(format!("a hidden request arrived: {hidden}"));
    }
    let statuses: Vec<u16> = outcome.answers.iter().map(|(status, _)| *status).collect();
    let refused = |statuses: &[u16], allowed: &[u16]| statuses.len() == 1 && allowed.contains(&statuses[0]);
    // Its answers are those to the requests that were meant, in their order.
    let answered = |answers: &[(u16, String)]| {
        answers.len() == meant.len()
            && answers.iter().zip(meant).all(|(it, meant)| it.0 == 200 && it.1 == *meant)
    };
    let complete = |what: &str| {
        format!("{what}; answers {:?}, ended {}, arrived {arrived:?}", outcome.answers, outcome.ended)
    };
    let arrives = |ends: bool| {
        if arrived != meant {
            return Err(complete("not what was meant arrived"));
        }
        match outcome.answers.split_last() {
            Some(((200, body), before)) if outcome.asked_again && !ends && body == "GET /sentinel 0" => {
                if answered(before) {
                    Ok(())
                } else {
                    Err(complete("not the answers to what was asked"))
                }
            }
            _ if !answered(&outcome.answers) => Err(complete("not the answers to what was asked")),
            _ if outcome.ended => Ok(()),
            _ => Err(complete("the connection did not end")),
        }
    };
    let is_refused = |allowed: &[u16]| {
        if !arrived.is_empty() {
            Err(complete("it arrived"))
        } else if !refused(&statuses, allowed) {
            Err(complete("not refused as it should be"))
        } else if !outcome.ended {
            Err(complete("the connection did not end"))
        } else {
            Ok(())
        }
    };
    match &case.expect {
        Expect::Refused(allowed) => is_refused(allowed),
        Expect::Arrives(_) => arrives(false),
        Expect::Either(allowed, _) => is_refused(allowed).or_else(|_| arrives(false)),
        Expect::EitherAndEnds(allowed, _) => is_refused(allowed).or_else(|_| arrives(true)),
        Expect::ThenRefused(_, allowed) => {
            let count = meant.len().min(outcome.answers.len());
            let right = arrived == meant
                && answered(&outcome.answers[..count])
                && (statuses.len() == count || refused(&statuses[count..], allowed))
                && outcome.ended;
            if right { Ok(()) } else { Err(complete("not the good ones and then a refusal")) }
        }
        Expect::Never(allowed) => {
            let right =
                arrived.is_empty() && (statuses.is_empty() || refused(&statuses, allowed)) && outcome.ended;
            if right { Ok(()) } else { Err(complete("neither refused nor left unfinished")) }
        }
        Expect::Unfinished => {
            let right =
                arrived.is_empty() && statuses.iter().all(|it| (400..500).contains(it)) && outcome.ended;
            if right { Ok(()) } else { Err(complete("it was taken for complete")) }
        }
    }
}

/// What a proxy made of a case, in few words.
pub fn words(outcome: &Outcome, log: &Log) -> String {
    let arrived = arrived(log);
    let mut words = Vec::new();
    if !log.violations.is_empty() {
        words.push("passes it on as it is".to_owned());
    }
    if !arrived.is_empty() {
        words.push(arrived.join(" + "));
    }
    let refusals = outcome.answers.iter().filter(|it| it.0 >= 300 && it.0 != 502).map(|it| it.0.to_string());
    words.extend(refusals);
    if words.is_empty() {
        words.push(match (&outcome.garbled, outcome.ended) {
            (Some(_), _) => "answers without a head".to_owned(),
            (None, true) => "ends the connection".to_owned(),
            (None, false) => "waits".to_owned(),
        });
    }
    words.join(", ")
}
