use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fairway_route::Table;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};

use super::wire::wire;
use super::*;
use crate::client::Client;
use crate::listener::Bound;
use crate::settings::Settings;
use crate::store::Store;

fn nothing() -> Stats {
    Stats { environments: BTreeMap::new(), connections: 3, own: Vec::new() }
}

/// Edges of different versions meet in a hand-over. Names may be added, never changed; another meaning is another
/// format.
#[test]
fn the_first_format() {
    fn check<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(word: &T, json: &str) {
        assert_eq!(serde_json::to_string(word).unwrap(), json);
        assert_eq!(&serde_json::from_str::<T>(json).unwrap(), word);
    }
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let chosen = DoorKey::Chosen("dev".into(), "public".into(), at(0));
    assert_eq!(Bequeathed::new(&chosen, at(4711), 1).key(), chosen);
    assert_eq!(Bequeathed::new(&DoorKey::Address(at(80)), at(80), 1).key(), DoorKey::Address(at(80)));
    check(
        &Asks::Hello { formats: vec![1], version: "0.1.0".into(), pid: 7 },
        r#"{"hello":{"formats":[1],"version":"0.1.0","pid":7}}"#,
    );
    check(&Asks::Ready, r#""ready""#);
    check(&Asks::Serving, r#""serving""#);
    check(&Asks::Follow { number: 2 }, r#"{"follow":{"number":2}}"#);
    check(
        &Asks::Close { environment: "dev".into(), id: "web-1".into(), grace_ms: 5 },
        r#"{"close":{"environment":"dev","id":"web-1","grace_ms":5}}"#,
    );
    check(&Asks::End { grace_ms: 5 }, r#"{"end":{"grace_ms":5}}"#);
    check(
        &Says::Bequest {
            format: 1,
            version: "0.1.0".into(),
            pid: 6,
            listeners: vec![
                Bequeathed::new(&chosen, at(4711), 2),
                Bequeathed::new(&DoorKey::Address(at(80)), at(80), 1),
            ],
            descriptors: 4,
        },
        concat!(
            r#"{"bequest":{"format":1,"version":"0.1.0","pid":6,"listeners":["#,
            r#"{"of":{"environment":"dev","listener":"public"},"address":"127.0.0.1:0","bound":"127.0.0.1:4711","sockets":2},"#,
            r#"{"address":"127.0.0.1:80","bound":"127.0.0.1:80","sockets":1}],"descriptors":4}}"#
        ),
    );
    check(&Says::Refused { why: "no".into() }, r#"{"refused":{"why":"no"}}"#);
    check(&Says::Yours { stats: nothing() }, r#"{"yours":{"stats":{"environments":{},"connections":3}}}"#);
    check(&Says::Stats { stats: nothing() }, r#"{"stats":{"stats":{"environments":{},"connections":3}}}"#);
    check(
        &Says::Followed { number: 2, stats: nothing() },
        r#"{"followed":{"number":2,"stats":{"environments":{},"connections":3}}}"#,
    );
}

/// More than fit into one message, with words before and behind them.
#[tokio::test]
async fn many_descriptors() {
    let files: Vec<File> = (0..600).map(|_| tempfile::tempfile().unwrap()).collect();
    for (number, file) in files.iter().enumerate() {
        file.set_len(number as u64).unwrap();
    }
    let (here, there) = UnixStream::pair().unwrap();
    let (sender, _receiver) = wire(here);
    let (_sender, mut receiver) = wire(there);
    let saying = async {
        sender.say(&Asks::Ready).await.unwrap();
        let descriptors: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        sender.say_with(&Asks::Serving, &descriptors).await.unwrap();
        sender.say(&Asks::Ready).await.unwrap();
    };
    let hearing = async {
        assert_eq!(receiver.hear::<Asks>().await.unwrap(), Asks::Ready);
        assert_eq!(receiver.hear::<Asks>().await.unwrap(), Asks::Serving);
        let descriptors = receiver.descriptors(600).await.unwrap();
        for (number, descriptor) in descriptors.into_iter().enumerate() {
            assert_eq!(File::from(descriptor).metadata().unwrap().len(), number as u64);
        }
        assert_eq!(receiver.hear::<Asks>().await.unwrap(), Asks::Ready);
    };
    tokio::join!(saying, hearing);
    drop(sender);
    drop(_receiver);
    let gone = receiver.hear::<Asks>().await.unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_socket_for_each_worker_where_that_can_be() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let alone = || std::net::TcpListener::bind(any).unwrap();
    let check = |sockets: Vec<std::net::TcpListener>, workers: usize, expect: usize| {
        let address = sockets[0].local_addr().unwrap();
        let bound = Bound::inherit(DoorKey::Address(any), sockets, workers).unwrap();
        assert_eq!((bound.address, bound.len()), (address, expect));
    };
    // Nobody can join a socket that does not share its address.
    check(vec![alone()], 4, 1);
    let sharing = |workers| {
        let bound = Bound::bind(DoorKey::Address(any), workers).unwrap();
        bound.into_sockets()
    };
    check(sharing(1), 4, 4);
    check(sharing(5), 2, 5);
    check(sharing(3), 3, 3);
    assert!(Bound::inherit(DoorKey::Address(any), Vec::new(), 1).is_err());
}

/// A home with a table, and what an edge that serves it would have.
struct Scene {
    home: tempfile::TempDir,
    lock: File,
    socket: std::net::TcpListener,
    successors: UnixListener,
}

impl Scene {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let tables = home.path().join("edge").join("tables");
        std::fs::create_dir_all(&tables).unwrap();
        let mut table = Table::empty("dev", 1, 0);
        table.listeners.insert("public".into(), ([127, 0, 0, 1], 0).into());
        Store::new(tables).save(&table).unwrap();
        let lock = File::create(home.path().join("edge").join("lock")).unwrap();
        lock.try_lock().unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let successors = UnixListener::bind(socket_in(home.path())).unwrap();
        Self { home, lock, socket, successors }
    }

    fn settings(&self) -> Settings {
        let grace = Duration::ZERO;
        Settings { take_over: true, shutdown_grace: grace, ..Settings::new(self.home.path()) }
    }

    fn bequest(&self) -> Says {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let key = DoorKey::Chosen("dev".into(), "public".into(), any);
        let listeners = vec![Bequeathed::new(&key, self.socket.local_addr().unwrap(), 1)];
        Says::Bequest { format: FORMAT, version: "old".into(), pid: 1, listeners, descriptors: 2 }
    }

    fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.lock.as_fd(), self.socket.as_fd()]
    }
}

/// The predecessor is killed after it has sent everything and before it could say that it is the successor's. There is
/// nobody else who could serve then; whoever was in the queue is answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_predecessor_that_dies_leaves_everything() {
    let scene = Scene::new();
    let address = scene.socket.local_addr().unwrap();
    let mut early = TcpStream::connect(address).await.unwrap();
    early.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let successor = tokio::spawn(crate::run(scene.settings()));
    let (stream, _) = scene.successors.accept().await.unwrap();
    let (sender, mut receiver) = wire(stream);
    let Asks::Hello { formats, .. } = receiver.hear().await.unwrap() else { panic!("no hello") };
    assert!(formats.contains(&FORMAT));
    sender.say_with(&scene.bequest(), &scene.descriptors()).await.unwrap();
    assert_eq!(receiver.hear::<Asks>().await.unwrap(), Asks::Ready);
    let Scene { home, lock, socket, successors } = scene;
    drop((sender, receiver, lock, socket, successors));
    let mut answer = String::new();
    early.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    // It has the lock, and can be taken over from in its turn.
    let lock = File::create(home.path().join("edge").join("lock")).unwrap();
    assert!(lock.try_lock().is_err());
    let client = Client::in_home(home.path());
    while client.info().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.tables().await.unwrap().tables["dev"].listeners["public"], address);
    client.shutdown(Duration::ZERO).await.unwrap();
    successor.await.unwrap().unwrap();
}

/// It said that it is ready and hears no: nothing was accepted, nothing was put into place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_is_refused_leaves_no_trace() {
    let scene = Scene::new();
    let address = scene.socket.local_addr().unwrap();
    let _waits = TcpStream::connect(address).await.unwrap();
    let successor = tokio::spawn(crate::run(scene.settings()));
    let (stream, _) = scene.successors.accept().await.unwrap();
    let (sender, mut receiver) = wire(stream);
    let Asks::Hello { .. } = receiver.hear().await.unwrap() else { panic!("no hello") };
    sender.say_with(&scene.bequest(), &scene.descriptors()).await.unwrap();
    assert_eq!(receiver.hear::<Asks>().await.unwrap(), Asks::Ready);
    sender.say(&Says::Refused { why: "too late".into() }).await.unwrap();
    let error = successor.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("too late"), "{error}");
    assert!(!Settings::socket_in(scene.home.path()).exists());
    // Whoever waited still does.
    scene.socket.set_nonblocking(true).unwrap();
    scene.socket.accept().unwrap();
}

/// What is no listener of that address is not used.
#[tokio::test]
async fn a_predecessor_that_sends_something_else() {
    let scene = Scene::new();
    let other: OwnedFd = std::net::TcpListener::bind("127.0.0.1:0").unwrap().into();
    let file: OwnedFd = tempfile::tempfile().unwrap().into();
    for wrong in [&other, &file] {
        let settings = scene.settings();
        let asking = tokio::spawn(async move { take_over(&settings).await });
        let (stream, _) = scene.successors.accept().await.unwrap();
        let (sender, _receiver) = wire(stream);
        sender.say_with(&scene.bequest(), &[scene.lock.as_fd(), wrong.as_fd()]).await.unwrap();
        assert!(matches!(asking.await.unwrap().unwrap(), TakeOver::Nobody(_)));
    }
}
