"""Two small modules of WebAssembly beside each VM: what it asks, and how a turn is given to it."""

from __future__ import annotations

import re

JOBS_AT_ONCE = 100_000
"""Jobs of promises after which the VM comes back, whether there are more or not."""

POLL = """(module
  (global $stop (export "stop") (mut i32) (i32.const 0))
  (global $polls (export "polls") (mut i64) (i64.const 0))
  (global $most (export "most") (mut i64) (i64.const 0x7fffffffffffffff))
  (func (export "poll") (result i32)
    (global.set $polls (i64.add (global.get $polls) (i64.const 1)))
    (if (i64.ge_u (global.get $polls) (global.get $most)) (then (global.set $stop (i32.const 1))))
    (global.get $stop)))"""
"""What the VM asks now and then whether to go on. It counts, and takes no lock of the host's."""

CROSSING = """(module
  (import "vm" "memory" (memory 0))
  (import "vm" "qjs_free" (func $qjs_free (param i32 i32)))
  (import "vm" "new_string" (func $new_string (param i32 i32) (result i32)))
  (import "vm" "call_function" (func $call (param i32 i32 i32 i32 i32) (result i32)))
  (import "vm" "last_exception" (func $exception (param i32) (result i32)))
  (import "vm" "free_value" (func $free (param i32)))
  (import "vm" "execute_pending_jobs" (func $jobs (result i32)))
  (import "vm" "get_string" (func $get_string (param i32) (result i32)))
  (import "vm" "qjs_last_len" (func $length (result i32)))
  (import "vm" "qjs_last_ptr" (func $pointer (result i32)))
  (func $invoke (export "invoke") (param $function i32) (param $this i32) (param $room i32)
      (param $at i32) (param $size i32) (result i32)
    (local $text i32) (local $status i32)
    (local.set $text (call $new_string (local.get $at) (local.get $size)))
    (if (local.get $size) (then (call $qjs_free (local.get $at) (local.get $size))))
    (i32.store (local.get $room) (local.get $text))
    (local.set $status (call $call (local.get $function) (local.get $this) (local.get $room)
      (i32.const 1) (i32.add (local.get $room) (i32.const 4))))
    (if (i32.eq (local.get $status) (i32.const 1))
      (then (drop (call $exception (i32.add (local.get $room) (i32.const 4))))))
    (call $free (local.get $text))
    (local.get $status))
  (func (export "turn") (param $function i32) (param $this i32) (param $room i32)
      (param $at i32) (param $size i32) (result i32)
    (local $status i32)
    (local.set $status (call $invoke (local.get $function) (local.get $this) (local.get $room)
      (local.get $at) (local.get $size)))
    (call $free (i32.load offset=4 (local.get $room)))
    (loop $more (br_if $more (i32.ge_s (call $jobs) (i32.const AT_ONCE))))
    (local.get $status))
  (func (export "collect") (param $function i32) (param $this i32) (param $room i32)
      (param $at i32) (param $size i32) (result i32)
    (local $told i32)
    (i32.store offset=8 (local.get $room) (i32.const 0))
    (local.set $told (call $invoke (local.get $function) (local.get $this) (local.get $room)
      (local.get $at) (local.get $size)))
    (if (i32.eqz (local.get $told))
      (then (local.set $told (call $get_string (i32.load offset=4 (local.get $room))))
        (if (i32.eqz (local.get $told)) (then
          (i32.store offset=8 (local.get $room) (call $length))
          (i32.store offset=12 (local.get $room) (call $pointer))))))
    (call $free (i32.load offset=4 (local.get $room)))
    (local.get $told)))""".replace("AT_ONCE", str(JOBS_AT_ONCE))
"""A turn in few crossings: `$room` are four words for it, and the text at `$at` is freed."""

CROSSED = tuple(re.findall(r'\(import "vm" "(\w+)"', CROSSING))
"""What it imports of the VM."""

BESIDE = POLL, CROSSING
