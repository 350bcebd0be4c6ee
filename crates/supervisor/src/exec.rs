//! Finding a program, and finding out why it cannot run.
//!
//! The kernel answers a failed `execve` with one number; `ENOENT` alone has three meanings. This module looks again
//! and says which one it was.

use crate::{Spec, StartError};
use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The path of the program that `spec` names.
pub(crate) fn resolve(spec: &Spec) -> Result<PathBuf, StartError> {
    if spec.program.as_os_str().is_empty() {
        return Err(StartError::ProgramMissing { program: spec.program.clone(), searched: Vec::new() });
    }
    if spec.program.components().count() > 1 || spec.program.is_absolute() {
        return Ok(spec.directory.join(&spec.program));
    }
    let path = spec.env.get("PATH").map_or("/usr/local/bin:/usr/bin:/bin", String::as_str);
    let searched: Vec<PathBuf> =
        path.split(':').filter(|dir| !dir.is_empty()).map(|dir| spec.directory.join(dir)).collect();
    let found = |executable: bool| {
        searched.iter().map(|dir| dir.join(&spec.program)).find(|candidate| match fs::metadata(candidate) {
            Ok(meta) => meta.is_file() && (!executable || meta.permissions().mode() & 0o111 != 0),
            Err(_) => false,
        })
    };
    match found(true).or_else(|| found(false)) {
        Some(program) => Ok(program),
        None => Err(StartError::ProgramMissing { program: spec.program.clone(), searched }),
    }
}

/// Refuses a program that the kernel would refuse with `ENOEXEC`. It has to be looked at before: the C library answers
/// that error by handing the file to the shell, and a binary for another machine would end as a syntax error.
pub(crate) fn check_format(program: &Path) -> Result<(), StartError> {
    // A program that may be executed and not read is the kernel's to judge, and so is one that is not there.
    let Ok(head) = head(program) else { return Ok(()) };
    if head.starts_with(b"#!") || elf_machine(&head).is_some_and(runs_here) || foreign_formats_run() {
        return Ok(());
    }
    Err(StartError::WrongFormat { found: format_of(&head), program: program.to_owned(), host: host() })
}

fn runs_here(machine: u16) -> bool {
    match machine {
        3 | 62 => cfg!(target_arch = "x86_64"),
        40 | 183 => cfg!(target_arch = "aarch64"),
        _ => cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))),
    }
}

/// Has somebody registered an emulator or an interpreter for other formats?
fn foreign_formats_run() -> bool {
    let entries = fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|name| name != "register" && name != "status")
}

/// What the failed start of `program` means.
pub(crate) fn diagnose(spec: &Spec, program: PathBuf, source: io::Error) -> StartError {
    if let Err(source) = fs::read_dir(&spec.directory) {
        return StartError::Directory { directory: spec.directory.clone(), source };
    }
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => match missing_interpreter(&program) {
            Some(interpreter) => StartError::InterpreterMissing { program, interpreter },
            None => StartError::ProgramMissing { program, searched: Vec::new() },
        },
        Some(libc::EACCES) => StartError::NotExecutable { why: why_forbidden(spec, &program), program },
        Some(libc::EPERM) if spec.user.is_some() => {
            let user = spec.user.expect("just checked");
            StartError::User { uid: user.uid, gid: user.gid, source }
        }
        Some(libc::ENOEXEC | libc::ELIBBAD | libc::EINVAL) => {
            let found =
                head(&program).map_or_else(|_| "a file that cannot be read".into(), |head| format_of(&head));
            StartError::WrongFormat { found, program, host: host() }
        }
        _ => StartError::Spawn { program, source },
    }
}

const fn host() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "x86-64 Linux"
    } else if cfg!(target_arch = "aarch64") {
        "64-bit ARM Linux"
    } else {
        "other Linux"
    }
}

fn head(program: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(program)?.take(4096).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn why_forbidden(spec: &Spec, program: &Path) -> String {
    match fs::metadata(program) {
        Err(error) => format!("{error}; check the permissions of the directories above it"),
        Ok(meta) if meta.is_dir() => "it is a directory".into(),
        Ok(meta) if !meta.is_file() => "it is not a regular file".into(),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => {
            format!("its mode is {:04o}; run `chmod +x` on it", meta.permissions().mode() & 0o7777)
        }
        Ok(_) => match spec.user {
            Some(user) => format!(
                "user {} may not execute it or may not enter {} or a directory above one of them",
                user.uid,
                spec.directory.display()
            ),
            None => "permission denied; a directory above it may be closed, or its file system mounted with noexec".into(),
        },
    }
}

/// What a program that exists needs and does not find: the interpreter of a script or the loader of an ELF file.
fn missing_interpreter(program: &Path) -> Option<PathBuf> {
    let head = head(program).ok()?;
    let interpreter = match script_interpreter(&head) {
        Some(path) => path,
        None => elf_interpreter(&head)?,
    };
    (!interpreter.exists()).then_some(interpreter)
}

fn script_interpreter(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    // A carriage return belongs to the name, as it does for the kernel: that is the mistake worth showing.
    line.trim_matches([' ', '\t']).split([' ', '\t']).next().map(PathBuf::from)
}

/// The `PT_INTERP` of a 64-bit little-endian ELF file whose program headers are within `head`.
fn elf_interpreter(head: &[u8]) -> Option<PathBuf> {
    if head.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let u16_at = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?) as usize);
    let u64_at = |at: usize| {
        usize::try_from(u64::from_le_bytes(head.get(at..at.checked_add(8)?)?.try_into().ok()?)).ok()
    };
    let (offset, size, count) = (u64_at(32)?, u16_at(54)?, u16_at(56)?);
    (0..count).find_map(|index| {
        let at = offset.checked_add(index * size)?;
        let kind = head.get(at..at.checked_add(4)?)?;
        if kind != [3, 0, 0, 0] {
            return None;
        }
        let (start, len) = (u64_at(at + 8)?, u64_at(at + 32)?);
        let text = head.get(start..start.checked_add(len)?)?;
        Some(PathBuf::from(String::from_utf8_lossy(text).trim_end_matches('\0')))
    })
}

/// What a file that the kernel does not run is, in words.
fn format_of(head: &[u8]) -> String {
    if head.is_empty() {
        return "an empty file".into();
    }
    if head.starts_with(b"#!") {
        return "a script whose first line the kernel does not accept".into();
    }
    if !head.starts_with(b"\x7fELF") {
        return if head.starts_with(b"MZ") {
            "a Windows program".into()
        } else if [&b"\xcf\xfa\xed\xfe"[..], &b"\xca\xfe\xba\xbe"[..]]
            .iter()
            .any(|magic| head.starts_with(magic))
        {
            "a macOS program".into()
        } else if head.iter().take(256).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
            "a text file without a `#!` line".into()
        } else {
            "not a program".into()
        };
    }
    let Some(machine) = elf_machine(head) else { return "a truncated ELF file".into() };
    match machine {
        3 => "a program for 32-bit x86".into(),
        40 => "a program for 32-bit ARM".into(),
        62 => "a damaged program for x86-64".into(),
        183 => "a program for 64-bit ARM".into(),
        243 => "a program for RISC-V".into(),
        other => format!("a program for ELF machine {other}"),
    }
}

/// The machine that an ELF file is for.
fn elf_machine(head: &[u8]) -> Option<u16> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let bytes = [*head.get(18)?, *head.get(19)?];
    Some(if head.get(5) == Some(&2) { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters() {
        for (head, expect) in [
            (&b"#!/bin/sh\necho"[..], Some("/bin/sh")),
            (b"#! /usr/bin/env python3\n", Some("/usr/bin/env")),
            (b"#!/bin/sh\r\n", Some("/bin/sh\r")),
            (b"plain", None),
        ] {
            assert_eq!(script_interpreter(head), expect.map(PathBuf::from));
        }
        let shell = head(&fs::canonicalize("/bin/sh").unwrap()).unwrap();
        let loader = elf_interpreter(&shell).expect("the shell of this machine is dynamically linked");
        assert!(loader.exists(), "{}", loader.display());
    }

    #[test]
    fn damaged_headers_are_no_trouble() {
        let mut shell = head(&fs::canonicalize("/bin/sh").unwrap()).unwrap();
        for cut in [0, 5, 6, 33, 60, 100, 700] {
            assert!(elf_interpreter(&shell[..cut]).is_none());
        }
        shell[32..40].fill(0xff);
        assert!(elf_interpreter(&shell).is_none());
    }
}
