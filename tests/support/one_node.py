"""One process of node behind CDK in place of two, for the tests' own process: a synthesis exchanges 2,000 messages with it.

jsii (1.142) starts a node that starts a second one and passes each message on, so that what the second prints cannot come between the
messages. Here the second is started, and what it prints goes the way that the first would have sent it. Measured 2026-12 on 52 tests
of synthesis: 11.6 s of node's CPU time become 7.4 s, with V8's threads switched off, which look for garbage beside one another.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jsii._kernel.providers import process

_ENTRY = """
const fs = require('fs'), path = require('path'), { Writable } = require('stream');
const { readSync, writeSync } = fs;
const names = { 1: 'stdout', 2: 'stderr' };
const printed = (name, data) => writeSync(2, JSON.stringify({ [name]: data.toString('base64') }) + '\\n');
fs.readSync = (file, ...rest) => readSync(file === 3 ? 0 : file, ...rest);
fs.writeSync = (file, data, ...rest) => {
  if (!(file in names)) return writeSync(file === 3 ? 1 : file, data, ...rest);
  printed(names[file], Buffer.from(data));
  return data.length;
};
for (const name of Object.values(names)) {
  const write = (chunk, encoding, done) => { printed(name, Buffer.from(chunk, encoding)); done(); };
  Object.defineProperty(process, name, { configurable: true, value: new Writable({ decodeStrings: true, write }) });
}
require(path.join(__dirname, '..', 'lib', 'program.js'));
"""
_PRESERVES = "NODE_PRESERVE_SYMLINKS"  # as jsii starts its second node
_plain_runtime = process._NodeProcess._jsii_runtime
_plain_start = process._NodeProcess.start


def install() -> None:
    """Let jsii start one node. What a test starts as a process has jsii's two."""
    process._NodeProcess._jsii_runtime = _runtime
    process._NodeProcess.start = _start


def _runtime(node: Any) -> str:
    entry = Path(_plain_runtime(node)).with_name("one-node.js")
    entry.write_text(_ENTRY, encoding="utf-8")
    return str(entry)


def _start(node: Any) -> None:
    os.environ[_PRESERVES] = "1"
    try:
        _plain_start(node)
    finally:
        del os.environ[_PRESERVES]
