//! The process of Redis or Webdis.

use super::wait;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A port where nobody listens. Somebody may before it is used.
pub(super) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The program that an environment variable names.
pub(super) fn program(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    PathBuf::from(path.unwrap_or_else(|| {
        panic!("${variable} names no program; `make e2e` sets it, or: eval \"$(.ci/get-store)\"")
    }))
}

/// A program in a folder of its own.
pub(super) struct Process {
    pub child: Option<Child>,
    pub program: PathBuf,
    pub folder: tempfile::TempDir,
}

impl Process {
    pub fn start(&mut self, set_up: impl FnOnce(&mut Command)) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(&self.program);
        set_up(&mut command);
        let child = command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        self.child = Some(child);
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Waits until `look` finds something; an error when the program ends.
    pub async fn until<T>(
        &mut self,
        what: &str,
        look: impl AsyncFn() -> Option<T>,
    ) -> Result<T, String> {
        let child = self.child.as_mut().expect("it runs");
        let found = wait::attempt(what, async || {
            // Looked at first: what answers now may be another's.
            if let Some(status) = child.try_wait().unwrap() {
                return Some(Err(format!("it ended with {status}")));
            }
            look().await.map(Ok)
        });
        let found = found.await.and_then(|found| found);
        found.map_err(|why| format!("{}: {why}\n{}", self.program.display(), self.log()))
    }

    fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    pub fn found_its_port_taken(&self) -> bool {
        self.log().contains("Address already in use")
    }

    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}---", self.program.display(), self.log());
        }
    }
}
