#!/usr/bin/env python3
"""Lays out the sample incident of this directory, and says what a right integration of it gives.

  make_incident.py OUT       write OUT/before, OUT/after, OUT/times.tsv and OUT/expected.json
  make_incident.py --check   is incident/ beside this script what the script makes? (names and bytes)

Two mail servers of one small hosting company, as Maildir++ trees: `before` was recovered from the server that was
lost on 10 March 2025 at 18:00 UTC, `after` is the fresh one that took its place. All mail is invented; every address
lies in a domain reserved for examples (RFC 2606). Same script, same bytes: nothing depends on clock, chance or locale.

The expectation comes from what the script knows (which copy is a copy of which mail, and what was done to it) and
from the rules, not from reading the files back and not from the product. Python 3.9 or newer, standard library only.
"""

import argparse
import base64
import calendar
import hashlib
import json
import os
import pathlib
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from typing import Callable, Dict, List, Optional, Tuple

HERE = pathlib.Path(__file__).resolve().parent

# RULES.md 6.2, as far as the sample uses it.
SPECIAL_USE = {
    "Sent": "sent", "Enviados": "sent", "Sent Items": "sent",
    "Drafts": "drafts", "Borradores": "drafts",
    "Trash": "trash", "Papelera": "trash", "Deleted Items": "trash",
    "Junk": "junk", "Spam": "junk", "Correo no deseado": "junk",
}
RECOVERED = "Recuperados"


# ---- mail ------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Mail:
    """One mail, however many copies of it there are: two copies are the same message exactly when their key is."""

    key: str
    raw: bytes
    date: int


def at(text: str) -> int:
    """Turns `2025-02-03 09:15` UTC into seconds since 1970."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M"))


def rfc_date(seconds: int) -> str:
    """Writes an RFC 5322 date-time without asking the locale."""
    t = time.gmtime(seconds)
    day = "Mon Tue Wed Thu Fri Sat Sun".split()[t.tm_wday]
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[t.tm_mon - 1]
    return f"{day}, {t.tm_mday} {month} {t.tm_year} {t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} +0000"


def encoded(text: str) -> str:
    """A header text, as an RFC 2047 word where it is not ASCII."""
    return text if text.isascii() else f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="


def mail(key: str, date: str, sender: str, to: str, subject: str, text: str, *, to_box: str = "", by: str = "mx1",
         message_id: Optional[str] = "", extra: Tuple[str, ...] = (), charset: str = "utf-8",
         attachment: Tuple[str, bytes] = ("", b"")) -> Mail:
    """Writes a mail as a server stores it, LF at the ends of lines.

    `to_box` makes it a delivered one (trace fields), else it is one that the owner wrote. A `message_id` of None
    leaves that field out.
    """
    when = at(date)
    head = []
    if to_box:
        head += [f"Return-Path: <{sender.split('<')[-1].rstrip('>')}>", f"Delivered-To: {to_box}",
                 f"Received: from out.example.net (out.example.net [192.0.2.25]) by {by}.hosting.example with ESMTP",
                 f"\tid {hashlib.sha256((key + by).encode()).hexdigest()[:10]} for <{to_box}>; {rfc_date(when)}"]
    head += [f"From: {sender}", f"To: {to}", f"Subject: {encoded(subject)}", f"Date: {rfc_date(when - 4)}"]
    if message_id is not None:
        head.append(f"Message-ID: <{message_id or key + '@sample.example'}>")
    head += [*extra, "MIME-Version: 1.0"]
    if attachment[0]:
        name, content = attachment
        packed = base64.encodebytes(content).decode().rstrip("\n")
        head.append('Content-Type: multipart/mixed; boundary="=-sample"')
        body = (f"--=-sample\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n{text}\n"
                f"--=-sample\nContent-Type: application/octet-stream; name=\"{name}\"\n"
                f"Content-Disposition: attachment; filename=\"{name}\"\nContent-Transfer-Encoding: base64\n\n"
                f"{packed}\n--=-sample--\n")
    else:
        coding = "7bit" if text.isascii() else "8bit"
        head += [f"Content-Type: text/plain; charset={charset}", f"Content-Transfer-Encoding: {coding}"]
        body = text + "\n"
    return Mail(key, ("\n".join(head) + "\n\n").encode() + body.encode(charset), when)


def crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


# What clients and stores do to the bytes of a mail that a user gives back: all the same message (RULES.md 2.2).

def by_thunderbird(raw: bytes) -> bytes:
    return b"X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label1\n" + raw


def by_mbox(raw: bytes) -> bytes:
    head, body = raw.split(b"\n\n", 1)
    return head + b"\nStatus: RO\nX-Status: A\nX-UID: 17\nX-Keywords: pendiente\n\n" + body


def by_pop3_client(raw: bytes) -> bytes:
    return crlf(b"X-Account-Key: account2\nX-UIDL: 0000001c5f3a9d21\n" + raw)


def with_blank_lines(raw: bytes) -> bytes:
    return raw + b"\n\n"


def unfolded(raw: bytes) -> bytes:
    head, body = raw.split(b"\n\n", 1)
    return head.replace(b"\n ", b" ") + b"\n\n" + body


# ---- the two lineages ------------------------------------------------------------------------------------------------

@dataclass
class Copy:
    """One file of a mailbox that holds a message, whole or cut."""

    mail: Mail
    raw: bytes
    mtime: int
    flags: str
    keywords: Tuple[str, ...]
    name: str
    new: bool
    uid: int
    uid_believed: bool = True
    damaged: bool = False


@dataclass
class Mailbox:
    """A mailbox of a lineage, and the files in it."""

    name: str
    uidvalidity: int
    server: str
    first_uid: int = 1
    subscribed: bool = True
    copies: List[Copy] = field(default_factory=list)
    files: Dict[str, Tuple[bytes, int]] = field(default_factory=dict)  # what is no message: path in the mailbox
    listed: List[Tuple[int, str]] = field(default_factory=list)        # UIDs in the list that are no copy's
    letters: List[str] = field(default_factory=list)                   # keywords in the order of their letters
    unreadable: int = 0
    not_a_message: int = 0
    unfinished: int = 0
    listed_no_file: int = 0

    def __post_init__(self) -> None:
        self.next_uid = self.first_uid

    def base_name(self, stamp: int, raw_size: int, wire_size: int) -> str:
        """A Maildir base name: the time first, so that it is still known when a checkout has lost the mtime."""
        return f"{stamp}.M{100000 + 7919 * self.next_uid % 900000}P{self.uidvalidity % 30000}.{self.server}" \
               f",S={raw_size},W={wire_size}"

    def put(self, what: Mail, flags: str = "", keywords: Tuple[str, ...] = (), *, given_back: str = "",
            change: Callable[[bytes], bytes] = bytes, cut_to: int = 0, zero_tail: int = 0, new: bool = False,
            same_uid: bool = False) -> None:
        """Adds a copy. `given_back` is when a client uploaded it, `cut_to` and `zero_tail` what a disk did to it."""
        whole = change(what.raw)
        raw = whole
        if cut_to:
            raw = whole[:cut_to]
        if zero_tail:
            raw = whole[:-zero_tail] + bytes(zero_tail)
        stamp = at(given_back) if given_back else what.date
        wire = len(whole) + whole.count(b"\n") - whole.count(b"\r\n")
        base = self.base_name(stamp, len(whole), wire)
        uid = self.copies[-1].uid if same_uid else self.take_uid()
        letters = "".join(chr(97 + self.letter(k)) for k in keywords)
        name = base if new else f"{base}:2,{''.join(sorted(flags))}{letters}"
        self.copies.append(Copy(what, raw, stamp, flags, keywords, name, new, uid, not same_uid,
                                bool(cut_to or zero_tail)))

    def take_uid(self) -> int:
        self.next_uid += 1
        return self.next_uid - 1

    def letter(self, keyword: str) -> int:
        if keyword not in self.letters:
            self.letters.append(keyword)
        return self.letters.index(keyword)

    def put_unreadable(self, stamp: str, content: bytes, promised: int) -> None:
        """Adds a message file of which nothing is left: empty, or zeros."""
        base = self.base_name(at(stamp), promised, promised)
        self.files[f"cur/{base}:2,S"] = (content, at(stamp))
        self.listed.append((self.take_uid(), base))
        self.unreadable += 1

    def put_unfinished(self, stamp: str, content: bytes) -> None:
        self.files[f"tmp/{at(stamp)}.M1P1.{self.server}"] = (content, at(stamp))
        self.unfinished += 1

    def put_stray(self, path: str, content: bytes) -> None:
        self.files[path] = (content, at("2025-01-01 00:00"))
        self.not_a_message += 1

    def list_without_file(self, stamp: str) -> None:
        base = self.base_name(at(stamp), 700, 720)
        self.listed.append((self.take_uid(), base))
        self.listed_no_file += 1


    def directory(self) -> str:
        return "" if self.name == "INBOX" else "." + utf7(self.name) + "/"

    def uidlist(self) -> bytes:
        guid = hashlib.md5(f"{self.server}/{self.name}/{self.uidvalidity}".encode()).hexdigest()
        lines = [(c.uid, c.name.split(":")[0]) for c in self.copies] + self.listed
        lines.sort(key=lambda line: line[0])
        return (f"3 V{self.uidvalidity} N{self.next_uid} G{guid}\n"
                + "".join(f"{uid} :{base}\n" for uid, base in lines)).encode()


def utf7(name: str) -> str:
    """Modified UTF-7 (RFC 3501 section 5.1.3)."""
    out, run = [], ""
    for c in name + "\0":
        if " " <= c <= "~" or c == "\0":
            if run:
                out.append("&" + base64.b64encode(run.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-")
                run = ""
            out.append("&-" if c == "&" else c)
        else:
            run += c
    return "".join(out)[:-1]


@dataclass
class Maildrop:
    """What one account has under mail/."""

    domain: str
    local: str
    server: str
    uidvalidity: int
    mailboxes: Dict[str, Mailbox] = field(default_factory=dict)
    scripts: Dict[str, str] = field(default_factory=dict)
    active_script: str = ""

    def mailbox(self, name: str, **more) -> Mailbox:
        if name not in self.mailboxes:
            self.mailboxes[name] = Mailbox(name, self.uidvalidity + 11 * len(self.mailboxes), self.server, **more)
        return self.mailboxes[name]

    def sieve(self, name: str, text: str) -> None:
        self.scripts[name] = text
        self.active_script = name


@dataclass
class Lineage:
    """One server's history."""

    server: str
    first_uidvalidity: int
    domains: List[str]
    accounts: List[Tuple[str, str, str, str]] = field(default_factory=list)  # address, hash, name, quota
    aliases: Dict[str, List[str]] = field(default_factory=dict)
    maildrops: Dict[str, Maildrop] = field(default_factory=dict)
    orphans: Dict[str, Tuple[bytes, int]] = field(default_factory=dict)

    def account(self, address: str, password_hash: str, name: str, quota_mb: int = 500, extra: str = "") -> None:
        self.accounts.append((address, password_hash, name, f"userdb_quota_rule=*:storage={quota_mb}M{extra}"))

    def maildrop(self, address: str) -> Maildrop:
        if address not in self.maildrops:
            local, domain = address.split("@")
            self.maildrops[address] = Maildrop(
                domain, local, self.server, self.first_uidvalidity + 1009 * len(self.maildrops))
        return self.maildrops[address]

    def files(self) -> Dict[str, Tuple[bytes, Optional[int]]]:
        """Every file: its bytes, and its modification time where that says something."""
        users = "".join(
            f"{address}:{hashed}:5000:5000:{name}:/var/vmail/{address.split('@')[1]}/{address.split('@')[0]}::{extra}\n"
            for address, hashed, name, extra in self.accounts)
        virtual = "".join(f"{address}\t{', '.join(targets)}\n" for address, targets in self.aliases.items())
        out: Dict[str, Tuple[bytes, Optional[int]]] = {
            "etc/domains": ("".join(d + "\n" for d in self.domains).encode(), None),
            "etc/dovecot/users": (users.encode(), None),
            "etc/postfix/virtual": (("# virtual alias map\n" + virtual).encode(), None),
            "etc/postfix/virtual_domains": ("".join(f"{d}\tOK\n" for d in self.domains).encode(), None),
        }
        for drop in self.maildrops.values():
            home = f"mail/{drop.domain}/{drop.local}/"
            for name, text in drop.scripts.items():
                out[f"{home}sieve/{name}.sieve"] = (text.encode(), None)
            if drop.active_script:
                out[home + ".dovecot.sieve"] = (drop.scripts[drop.active_script].encode(), None)
            subscribed = [utf7(b.name) for b in drop.mailboxes.values() if b.subscribed and b.name != "INBOX"]
            lines = "".join(name.replace(".", "\t") + "\n" for name in subscribed)
            out[home + "Maildir/subscriptions"] = (("V\t2\n\n" + lines).encode(), None)
            for box in drop.mailboxes.values():
                place = f"{home}Maildir/{box.directory()}"
                out[place + "dovecot-uidlist"] = (box.uidlist(), None)
                if box.name != "INBOX":
                    out[place + "maildirfolder"] = (b"", None)
                if box.letters:
                    out[place + "dovecot-keywords"] = (
                        "".join(f"{i} {k}\n" for i, k in enumerate(box.letters)).encode(), None)
                for c in box.copies:
                    out[f"{place}{'new' if c.new else 'cur'}/{c.name}"] = (c.raw, c.mtime)
                for path, (content, mtime) in box.files.items():
                    out[place + path] = (content, mtime)
        for path, (content, mtime) in self.orphans.items():
            out["lost+found/" + path] = (content, mtime)
        return out


# ---- passwords -------------------------------------------------------------------------------------------------------

def ssha512(plain: str) -> str:
    salt = hashlib.sha256(plain.encode()).digest()[:8]
    return "{SSHA512}" + base64.b64encode(hashlib.sha512(plain.encode() + salt).digest() + salt).decode()


def ssha(plain: str) -> str:
    salt = hashlib.sha256(plain.encode()).digest()[:4]
    return "{SSHA}" + base64.b64encode(hashlib.sha1(plain.encode() + salt).digest() + salt).decode()


# Three that the standard library cannot make (`doveadm pw -s SCHEME -p PLAIN`).
CRYPTED = {
    "nuevo-ana": "{SHA512-CRYPT}$6$6H4tZyPUA/4Cc.GL$hYdajnwzHgQj9sfqXGuUdiwWp1va3EqnyooDXIqtx7lcccXikm1WvLkAB8BN.tn"
                 "HOUmS1m5vEgkTFQeR4UK1r/",
    "viejo-carmen": "{BLF-CRYPT}$2y$05$Vy0Ha/BEMujs4NDTZbJmNeOqBrzyEKGJMCMP8P4M7.Wx0sz8I/hPC",
    "antes-jose": "{MD5-CRYPT}$1$pIC.2BVZ$cbj5rca2WWPPggn7Hk.d00",
}


# ---- the expectation -------------------------------------------------------------------------------------------------

class Outcome:
    """What one account holds after integration, by RULES.md sections 3 to 6 and 9.2."""

    def __init__(self, before: Optional[Maildrop], after: Optional[Maildrop], recovered: List[Copy]):
        self.boxes_before = before.mailboxes if before else {}
        self.boxes_after = after.mailboxes if after else {}
        self.recovered = recovered
        self.result: Dict[str, List[dict]] = {self.name_of(b): [] for b in self.boxes_before.values()}
        self.result.update({name: [] for name in self.boxes_after})
        self.both: Dict[str, int] = {name: 0 for name in self.result}
        self.folded = 0  # damaged copies for which a whole one stands, and orphans of which a copy is in place
        self.damaged_kept = 0
        self.place()

    def name_of(self, box: Mailbox) -> str:
        """Where a mailbox of before goes: its own name, or that of after's mailbox of the same use (6.2)."""
        if box.name in self.boxes_after:
            return box.name
        use = SPECIAL_USE.get(box.name)
        joined = [n for n in self.boxes_after if use and SPECIAL_USE.get(n) == use]
        return joined[0] if joined else box.name

    def place(self) -> None:
        free = [(name, c) for name, box in self.boxes_after.items() for c in box.copies]
        pending = [(box, c) for box in self.boxes_before.values() for c in box.copies]
        whole = {c.mail.key for _, c in free + pending if not c.damaged}
        matched = []
        for same_mailbox in (True, False):
            left = []
            for box, c in pending:
                if c.damaged:
                    left.append((box, c))
                    continue
                for i, (name, a) in enumerate(free):
                    if a.mail.key == c.mail.key and (name == self.name_of(box) or not same_mailbox):
                        matched.append((name, c, a, "" if same_mailbox else box.name))
                        del free[i]
                        break
                else:
                    left.append((box, c))
            pending = left
        for c in self.recovered:
            twin = [(i, name, a) for i, (name, a) in enumerate(free) if a.mail.key == c.mail.key]
            if twin:
                i, name, a = twin[0]
                matched.append((name, c, a, "lost+found"))
                del free[i]
            else:
                self.result.setdefault(RECOVERED, []).append(row(c, None))
                self.both.setdefault(RECOVERED, 0)
        for name, c, a, moved_from in matched:
            self.both[name] += 1
            flags = set(a.flags) | (set(c.flags) - set("TD"))
            self.result[name].append(dict(
                row(c, a.uid), flags="".join(sorted(flags)), keywords=sorted({*c.keywords, *a.keywords}),
                internal_date=min(c.mtime, a.mtime), **({"moved_from": moved_from} if moved_from else {})))
        for name, a in free:
            self.result[name].append(row(a, a.uid))
        for box, c in pending:
            if c.damaged and c.mail.key in whole:
                self.folded += 1
                continue
            self.damaged_kept += c.damaged
            name = self.name_of(box)
            keeps = not self.boxes_after.get(name) or not self.boxes_after[name].copies
            self.result[name].append(row(c, c.uid if keeps and c.uid_believed else None))

    def mailboxes(self) -> List[dict]:
        out = []
        for name in sorted(self.result, key=lambda n: (n != "INBOX", n)):
            was = [b for b in self.boxes_before.values() if self.name_of(b) == name]
            now = self.boxes_after.get(name)
            stands = now if now and now.copies else (was[0] if was else now)
            out.append({
                "name": name, "was": [b.name for b in was if b.name != name],
                "before": sum(len(b.copies) for b in was), "after": len(now.copies) if now else 0,
                "both": self.both[name], "result": len(self.result[name]),
                "uidvalidity": stands.uidvalidity if stands else None,
                # No list of subscriptions here names the INBOX.
                "subscribed": name != "INBOX" and any(b.subscribed for b in [now, *was] if b),
                "messages": sorted(self.result[name], key=lambda m: (m["internal_date"], m["digest"])),
            })
        return out


def row(c: Copy, uid: Optional[int]) -> dict:
    """A message of the result, as it is when nothing but `c` has a say. The digest is SHA-256 of the CRLF form."""
    out = {"digest": hashlib.sha256(crlf(c.raw)).hexdigest(), "flags": "".join(sorted(c.flags)),
           "keywords": sorted(c.keywords), "internal_date": c.mtime, "uid": uid}
    return dict(out, damaged=True) if c.damaged else out


@dataclass
class Story:
    """What the sample shows with one account, and what the rules make of it."""

    address: str
    case: str
    password: str             # the lineage whose password opens it: before, after or none
    plain: Optional[str]
    state: str = "open"       # open, locked or disabled
    before_as: str = ""       # its address in before where that is written differently
    script: str = ""          # the active script: "before" or "after"
    kept_script: bool = False  # is the other lineage's kept beside it?


def expectation(before: Lineage, after: Lineage, stories: List[Story], owners: Dict[str, Tuple[str, Mail]],
                conflicts: List[dict], pairs: Dict[str, int]) -> dict:
    accounts, given = [], set()
    for story in stories:
        was = before.maildrops.get(story.before_as or story.address)
        now = after.maildrops.get(story.address)
        recovered = []
        for path, (owner, what) in owners.items():
            if owner == story.address:
                given.add(path)
                content, mtime = before.orphans[path]
                recovered.append(Copy(what, content, mtime, flags_of(path), (), path, False, 0))
        outcome = Outcome(was, now, recovered)
        lists = [b for drop in (was, now) if drop for b in drop.mailboxes.values()]
        boxes = outcome.mailboxes()
        files = {"before": sum(len(b.copies) for b in was.mailboxes.values()) if was else 0,
                 "after": sum(len(b.copies) for b in now.mailboxes.values()) if now else 0}
        totals = dict(
            files, recovered=len(recovered), both=sum(b["both"] for b in boxes), folded=outcome.folded,
            result=sum(b["result"] for b in boxes), damaged=outcome.damaged_kept + outcome.folded,
            unreadable=sum(b.unreadable for b in lists), not_a_message=sum(b.not_a_message for b in lists),
            unfinished=sum(b.unfinished for b in lists), listed_no_file=sum(b.listed_no_file for b in lists))
        assert totals["result"] == (totals["before"] + totals["after"] + totals["recovered"]
                                    - totals["both"] - totals["folded"]), story.address
        source = {"before": was, "after": now, "": None}[story.script]
        accounts.append({
            "address": story.address, "address_before": story.before_as or (story.address if was else None),
            "case": story.case, "state": story.state, "password": {"origin": story.password, "plain": story.plain},
            "active_script": source.scripts[source.active_script] if source else None,
            "other_script_kept": story.kept_script, "totals": totals, "mailboxes": boxes,
        })
    whole = {key: sum(a["totals"][key] for a in accounts) for key in accounts[0]["totals"]}
    whole["unattributed"] = sum(1 for path in before.orphans if path not in given)
    return {"format": 1, "totals": whole, "pairs": pairs, "domains": expected_domains(before, after),
            "aliases": expected_aliases(before, after), "conflicts": conflicts, "accounts": accounts}


def flags_of(path: str) -> str:
    return path.split(":2,")[1] if ":2," in path else ""


def expected_domains(before: Lineage, after: Lineage) -> List[dict]:
    names = before.domains + [d for d in after.domains if d not in before.domains]
    return [{"name": d, "before": d in before.domains, "after": d in after.domains} for d in names]


def expected_aliases(before: Lineage, after: Lineage) -> List[dict]:
    """The targets in force while no conflict is decided: those of after, else of before where no account stands."""
    taken = {a[0].lower() for a in after.accounts}
    out = []
    for address in list(before.aliases) + [a for a in after.aliases if a not in before.aliases]:
        was, now = before.aliases.get(address), after.aliases.get(address)
        out.append({"address": address, "before": was, "after": now,
                    "in_force": now or (None if address in taken else was)})
    return out


# ---- the story -------------------------------------------------------------------------------------------------------

def tell() -> Tuple[Lineage, Lineage, dict]:
    """Makes both lineages and what is expected of them."""
    before = Lineage("viejo.hosting.example", 1483228800,
                     ["panaderia.example", "taller.example", "floristeria.example"])
    after = Lineage("nuevo.hosting.example", 1741630000, ["panaderia.example", "taller.example", "gestoria.example"])
    stories: List[Story] = []
    owners: Dict[str, Tuple[str, Mail]] = {}
    bakery(before, after, stories)
    workshop(before, after, stories)
    florist_and_agency(before, after, stories)
    aliases(before, after)
    lost_and_found(before, owners)
    conflicts = [
        {"rule": "8.1", "domain": "panaderia.example", "address": "maria@panaderia.example"},
        {"rule": "8.2", "domain": "panaderia.example", "address": "jose@panaderia.example"},
        {"rule": "8.3", "domain": "panaderia.example", "address": "info@panaderia.example"},
        {"rule": "8.4", "domain": "panaderia.example", "address": "@panaderia.example"},
        {"rule": "8.8", "domain": "panaderia.example", "address": "ana@panaderia.example"},
    ]
    pairs = {"same_message_id": 1, "near_twins": 1}
    return before, after, expectation(before, after, stories, owners, conflicts, pairs)


def bakery(before: Lineage, after: Lineage, stories: List[Story]) -> None:
    """panaderia.example, in Spanish: on both servers."""
    ana = "ana@panaderia.example"
    before.account(ana, ssha512("viejo-ana"), "Ana Ruiz", 500)
    after.account(ana, CRYPTED["nuevo-ana"], "Ana Ruiz", 250)
    stories.append(Story(ana, "recreated, new password", "after", "nuevo-ana", script="after", kept_script=True))
    order = mail("pedido-harina", "2025-01-14 07:40", "Molinos <ventas@molinos.example.com>", ana,
                 "Pedido de harina 2025/14", "Buenos días:\n\nSalen hoy 40 sacos. La factura va aparte.\n\nMolinos",
                 to_box=ana)
    invoice = mail("factura-14", "2025-01-15 08:02", "Molinos <ventas@molinos.example.com>", ana,
                   "Factura nº 14 de enero", "Adjuntamos la factura.", to_box=ana,
                   attachment=("factura-14.csv", b"concepto;importe\nharina;812,00\nporte;35,50\n" * 40))
    wedding = mail("boda", "2025-02-20 18:21", "Lucia <lucia@example.org>", ana,
                   "¿Tarta para el 12 de abril?", "Hola, Ana:\n\nSeremos 80. ¿Puedes hacerla sin nuez?\n\nLucía",
                   to_box=ana, extra=("References: <boda-0@sample.example>\n <boda-1@sample.example>",))
    latin = mail("vecina", "2025-02-25 10:00", "Vecina <vecina@example.net>", ana, "Las llaves",
                 "Te dejé las llaves con la señora de enfrente. Mañana paso.", to_box=ana, charset="iso-8859-1")
    no_id = mail("escaner", "2025-03-03 12:12", "escaner@panaderia.example", ana, "Escaneo", "Una pagina.", to_box=ana,
                 message_id=None)
    reply = mail("respuesta-boda", "2025-02-20 19:02", "Ana Ruiz <ana@panaderia.example>", "lucia@example.org",
                 "Re: ¿Tarta para el 12 de abril?", "Claro que sí. Te mando dos propuestas.\n\nAna")
    tax = mail("iva", "2025-01-30 16:45", "Ana Ruiz <ana@panaderia.example>", "gestor@example.com", "IVA trimestral",
               "Van los papeles del trimestre.")
    draft = mail("borrador", "2025-03-09 21:10", "Ana Ruiz <ana@panaderia.example>", "molinos@example.com", "Pedido",
                 "Buenas noches, para la semana que viene:")
    spam = mail("premio", "2025-03-01 03:33", "Premios <premio@example.net>", ana, "Has ganado", "Pulsa aqui.",
                to_box=ana)
    drop = before.maildrop(ana)
    inbox = drop.mailbox("INBOX", first_uid=101)
    inbox.put(order, "S", ("Facturado",))
    inbox.put(invoice, "FS", ("Facturado", "$Forwarded"))
    inbox.put(wedding, "RS")
    inbox.put(latin, "S")
    inbox.put(no_id, "")
    drop.mailbox("Enviados").put(reply, "S")
    drop.mailbox("Enviados").put(tax, "S")
    drop.mailbox("Borradores").put(draft, "DS")
    drop.mailbox("Correo no deseado").put(spam, "")
    year = drop.mailbox("Clientes.Año 2024")
    for n, guest in enumerate(("Peña & Cía", "Núñez e Hijos", "Güell")):
        year.put(mail(f"cliente-{n}", f"2024-11-{10 + n} 09:30", "Pedidos <pedidos@example.org>", ana,
                      f"Encargo de {guest}", f"Encargo de {guest}: {12 + n} roscas para el viernes.", to_box=ana), "S")
    drop.mailbox("Plantillas", subscribed=False)
    drop.sieve("filtros", 'require ["fileinto"];\nif header :contains "subject" "Has ganado" '
                          '{ fileinto "Correo no deseado"; }\n')
    # The fresh server: her program names its folders in English, and she dragged three mails back from her laptop.
    drop = after.maildrop(ana)
    inbox = drop.mailbox("INBOX")
    inbox.put(mail("tras-1", "2025-03-11 08:00", "Molinos <ventas@molinos.example.com>", ana, "¿Os ha llegado?",
                   "No sabemos si recibís correo.", to_box=ana), "RS")
    inbox.put(wedding, "FS", given_back="2025-03-12 17:20", change=unfolded)
    inbox.put(invoice, "S", ("$label1",), given_back="2025-03-12 17:21", change=by_thunderbird)
    inbox.put(mail("tras-2", "2025-03-14 11:11", "Lucia <lucia@example.org>", ana, "La tarta", "Nos quedamos con la 2.",
                   to_box=ana), new=True)
    inbox.put(delivery_note(), "S", given_back="2025-03-12 17:23", change=by_thunderbird)
    sent = drop.mailbox("Sent")
    sent.put(reply, "S", given_back="2025-03-12 17:25", change=by_mbox)
    sent.put(mail("tras-3", "2025-03-14 12:00", "Ana Ruiz <ana@panaderia.example>", "lucia@example.org",
                  "Re: La tarta", "Hecho. Gracias.\n\nAna"), "S")
    drop.mailbox("Trash")
    drop.sieve("vacaciones", 'require ["vacation"];\nvacation :days 3 "Estamos cambiando de servidor.";\n')

    pepe = "pepe@panaderia.example"
    before.account("Pepe@panaderia.example", ssha("pepe-1962"), "José Gil", 1000)
    after.account(pepe, ssha("pepe-1962"), "José Gil", 500)
    stories.append(Story(pepe, "recreated, same password, written in another case", "after", "pepe-1962",
                         before_as="Pepe@panaderia.example"))
    fields = dict(date="2025-03-10 17:58", sender="Horno <horno@example.com>", to=pepe, subject="Cita del horno",
                  text="Vamos el jueves a las nueve.", to_box=pepe, message_id="cita-horno@sample.example")
    drop = before.maildrop("Pepe@panaderia.example")
    inbox = drop.mailbox("INBOX", first_uid=7)
    inbox.put(mail("pepe-1", "2025-02-02 06:10", "Turnos <turnos@example.org>", pepe, "Turnos de febrero",
                   "Esta semana, de noche.", to_box=pepe), "S")
    inbox.put(mail("pepe-2", "2025-02-09 06:10", "Turnos <turnos@example.org>", pepe, "Turnos, cambio",
                   "El sábado libras tú.", to_box=pepe), "S", same_uid=True)
    inbox.put(mail("cita-por-mx1", by="mx1", **fields), "")  # delivered twice: here by one way in, there by the other
    after_drop = after.maildrop(pepe)
    inbox = after_drop.mailbox("INBOX")
    inbox.put(mail("cita-por-mx2", by="mx2", **fields), "S", given_back="2025-03-10 19:30")
    inbox.put(mail("pepe-3", "2025-03-16 06:10", "Turnos <turnos@example.org>", pepe, "Turnos de marzo",
                   "Todo igual.", to_box=pepe), "S")

    maria = "maria@panaderia.example"
    after.account(maria, ssha("maria-nueva"), "María Soto")
    stories.append(Story(maria, "account on an old alias", "after", "maria-nueva"))
    after.maildrop(maria).mailbox("INBOX").put(
        mail("maria-1", "2025-03-13 09:00", "Ana Ruiz <ana@panaderia.example>", maria, "Bienvenida",
             "Ya tienes cuenta propia.\n\nAna", to_box=maria), "S")

    jose = "jose@panaderia.example"
    before.account(jose, CRYPTED["antes-jose"], "José Luis Mora")
    stories.append(Story(jose, "alias on an old account", "before", "antes-jose"))
    inbox = before.maildrop(jose).mailbox("INBOX", first_uid=40)
    inbox.put(mail("jose-1", "2024-12-20 13:00", "Banco <avisos@example.net>", jose, "Aviso", "Tiene un aviso.",
                   to_box=jose), "S")
    inbox.put(mail("jose-2", "2025-01-07 13:00", "Banco <avisos@example.net>", jose, "Otro aviso",
                   "Tiene otro aviso.", to_box=jose), "")

    luis = "luis@panaderia.example"
    stories.append(Story(luis, "maildrop without an account line", "none", None, state="locked"))
    before.maildrop(luis).mailbox("INBOX").put(
        mail("luis-1", "2023-06-01 10:00", "Ana Ruiz <ana@panaderia.example>", luis, "Finiquito",
             "Pasa por la oficina, por favor.", to_box=luis), "S")

    carmen = "carmen@panaderia.example"
    before.account(carmen, CRYPTED["viejo-carmen"], "Carmen Vidal")
    stories.append(Story(carmen, "never recreated, damaged", "before", "viejo-carmen"))
    drop = before.maildrop(carmen)
    inbox = drop.mailbox("INBOX", first_uid=300)
    inbox.put(mail("carmen-1", "2025-02-11 10:10", "Ana Ruiz <ana@panaderia.example>", carmen, "Inventario",
                   "¿Puedes contar los moldes?", to_box=carmen), "RS")
    inbox.put(mail("carmen-cortado", "2025-02-12 10:10", "Proveedor <moldes@example.com>", carmen, "Catálogo",
                   "Catálogo de moldes.\n" + "Molde redondo, 20 cm, 7 euros.\n" * 30, to_box=carmen), "S", cut_to=900)
    inbox.put(mail("carmen-ceros", "2025-02-13 10:10", "Proveedor <moldes@example.com>", carmen, "Tarifa",
                   "Tarifa.\n" + "Molde cuadrado, 18 cm, 6 euros.\n" * 20, to_box=carmen), "S", zero_tail=256)
    inbox.put_unreadable("2025-02-14 10:10", bytes(1200), 1200)
    inbox.put_unreadable("2025-02-15 10:10", b"", 640)
    inbox.list_without_file("2025-02-16 10:10")
    inbox.put_unfinished("2025-03-10 17:59", b"Return-Path: <moldes@example.com>\nSubject: a med")
    inbox.put_stray("cur/Thumbs.db", b"\xd0\xcf\x11\xe0 thumbnails\n")
    drop.mailbox("Papelera").put(
        mail("carmen-2", "2024-10-01 10:10", "Boletín <boletin@example.net>", carmen, "Novedades", "Hornos nuevos.",
             to_box=carmen), "ST")

    antonio = "antonio@panaderia.example"
    after.account(antonio, ssha512("soy-antonio"), "Antonio Sanz")
    stories.append(Story(antonio, "new since", "after", "soy-antonio"))
    drop = after.maildrop(antonio)
    drop.mailbox("INBOX").put(
        mail("antonio-1", "2025-03-18 08:00", "Cliente <cliente@example.org>", "info@panaderia.example", "Encargo web",
             "Dos hogazas, por favor.", to_box=antonio), "S")
    drop.mailbox("INBOX").put(
        mail("antonio-2", "2025-03-19 08:00", "Cliente <cliente@example.org>", "info@panaderia.example", "Otro encargo",
             "Y una coca.", to_box=antonio), new=True)


def delivery_note() -> Mail:
    """A mail of Ana's that has lost its name on the old disk, and that she gives back from her laptop."""
    return mail("albaran", "2025-02-27 06:30", "Molinos <ventas@molinos.example.com>", "ana@panaderia.example",
                "Albarán 77", "Entregados 40 sacos.", to_box="ana@panaderia.example")


def workshop(before: Lineage, after: Lineage, stories: List[Story]) -> None:
    """taller.example, in English: on both servers."""
    sam = "sam@taller.example"
    before.account(sam, ssha512("same-old-sam"), "Sam Carter", 500)
    after.account(sam, ssha512("same-old-sam"), "Sam Carter", 500)
    stories.append(Story(sam, "recreated, same password", "after", "same-old-sam", script="before"))
    quote = mail("quote", "2025-01-20 14:00", "Parts <sales@parts.example.com>", sam, "Quote 881",
                 "Brake discs, 4 pcs.\n\nFrom 1 February prices go up.", to_box=sam)
    manual = mail("manual", "2025-02-05 09:00", "Parts <sales@parts.example.com>", sam, "Manual",
                  "The manual you asked for.", to_box=sam,
                  attachment=("manual.bin", bytes((7 * n + n // 256) % 256 for n in range(3000))))
    moved = mail("moved", "2025-02-18 16:30", "Mrs Doyle <doyle@example.org>", sam, "My van",
                 "It makes that noise again.", to_box=sam)
    twin = mail("twin", "2025-02-21 07:00", "Alarm <alarm@taller.example>", sam, "Door open", "Door 2 is open.",
                to_box=sam)
    report = dict(sender="Alarm <alarm@taller.example>", to=sam, subject="Weekly report", to_box=sam,
                  message_id="weekly-report@sample.example")
    drop = before.maildrop(sam)
    inbox = drop.mailbox("INBOX", first_uid=900)
    inbox.put(quote, "S", ("$Forwarded",))
    inbox.put(manual, "S", cut_to=1500)  # the whole one was given back
    inbox.put(moved, "S")
    inbox.put(twin, "S")
    inbox.put(twin, "S")
    inbox.put(mail("report-1", "2025-02-24 05:00", text="Week 8: nothing to report.", **report), "S")
    drop.mailbox("Sent Items").put(
        mail("sam-sent-1", "2025-02-18 17:00", "Sam Carter <sam@taller.example>", "doyle@example.org", "Re: My van",
             "Bring it in on Friday.\n\nSam"), "S")
    drop.mailbox("Deleted Items").put(
        mail("sam-trash-1", "2025-01-02 10:00", "Deals <deals@example.net>", sam, "January deals", "Half price.",
             to_box=sam), "S")
    drop.sieve("rules", 'require ["fileinto"];\nif address "from" "deals@example.net" { fileinto "Deleted Items"; }\n')
    drop = after.maildrop(sam)
    inbox = drop.mailbox("INBOX")
    inbox.put(quote, "RS", given_back="2025-03-15 20:00", change=by_pop3_client)
    inbox.put(manual, "S", given_back="2025-02-05 09:00")
    inbox.put(mail("report-2", "2025-03-17 05:00", text="Week 11: new server, nothing to report.", **report), "S")
    inbox.put(mail("sam-after-1", "2025-03-18 09:15", "Mrs Doyle <doyle@example.org>", sam, "Re: My van",
                   "You never answered?", to_box=sam), "RS")
    drop.mailbox("Vans").put(moved, "FS", given_back="2025-03-15 20:05", change=with_blank_lines)
    drop.mailbox("Sent").put(
        mail("sam-after-2", "2025-03-18 09:30", "Sam Carter <sam@taller.example>", "doyle@example.org", "Re: My van",
             "I did, and then the server died. Friday?\n\nSam"), "S")

    kim = "kim@taller.example"
    before.account(kim, ssha("kim-was-here"), "Kim Novak")
    after.account(kim, "", "Kim Novak")
    stories.append(Story(kim, "recreated empty, without a password", "before", "kim-was-here"))
    inbox = before.maildrop(kim).mailbox("INBOX", first_uid=55)
    inbox.put(mail("kim-1", "2025-01-11 11:00", "Sam Carter <sam@taller.example>", kim, "Rota", "You are on Saturdays.",
                   to_box=kim), "S")
    inbox.put(mail("kim-2", "2025-02-11 11:00", "Sam Carter <sam@taller.example>", kim, "Rota", "And on Sundays.",
                   to_box=kim), "")
    after.maildrop(kim).mailbox("INBOX")

    lee = "lee@taller.example"
    before.account(lee, ssha("lee-left"), "Lee Park", extra=" nologin")
    stories.append(Story(lee, "disabled before, not recreated", "before", "lee-left", state="disabled"))
    before.maildrop(lee).mailbox("INBOX").put(
        mail("lee-1", "2024-05-05 08:00", "Sam Carter <sam@taller.example>", lee, "Goodbye", "Thanks for everything.",
             to_box=lee), "S")

    nora = "nora@taller.example"
    before.account(nora, ssha("nora-empty"), "Nora Finn")
    stories.append(Story(nora, "account line without a maildrop", "before", "nora-empty"))


def florist_and_agency(before: Lineage, after: Lineage, stories: List[Story]) -> None:
    """floristeria.example was never put back; gestoria.example is a customer since."""
    rosa = "rosa@floristeria.example"
    before.account(rosa, ssha512("rosa-roja"), "Rosa Peral")
    stories.append(Story(rosa, "domain never put back", "before", "rosa-roja", script="before"))
    drop = before.maildrop(rosa)
    inbox = drop.mailbox("INBOX", first_uid=12)
    inbox.put(mail("rosa-1", "2025-03-08 10:00", "Cliente <novia@example.org>", rosa, "Ramo",
                   "¿Tenéis peonías en abril?", to_box=rosa), "S")
    inbox.put(mail("rosa-2", "2025-03-10 16:59", "Cliente <novia@example.org>", rosa, "Re: Ramo",
                   "Pues entonces ranúnculos.", to_box=rosa), new=True)
    drop.mailbox("日本").put(mail("rosa-3", "2024-09-09 09:09", "Bulbs <bulbs@example.com>", rosa, "Bulbs from 日本",
                                 "The catalogue you asked for.", to_box=rosa), "S")
    drop.sieve("ramos", 'require ["imap4flags"];\nif header :contains "subject" "Ramo" { addflag "\\\\Flagged"; }\n')

    tomas = "tomas@gestoria.example"
    after.account(tomas, ssha512("tomas-gestor"), "Tomás Rey")
    stories.append(Story(tomas, "domain new since", "after", "tomas-gestor"))
    after.maildrop(tomas).mailbox("INBOX").put(
        mail("tomas-1", "2025-03-20 10:00", "Soporte <soporte@hosting.example>", tomas, "Su correo está listo",
             "Ya puede entrar.", to_box=tomas), "S")


def aliases(before: Lineage, after: Lineage) -> None:
    before.aliases.update({
        "info@panaderia.example": ["ana@panaderia.example", "Pepe@panaderia.example"],
        "maria@panaderia.example": ["ana@panaderia.example"],
        "pedidos@panaderia.example": ["Pepe@panaderia.example"],
        "@panaderia.example": ["ana@panaderia.example"],
        "sales@taller.example": ["sam@taller.example"],
        "contacto@floristeria.example": ["rosa@floristeria.example"],
    })
    after.aliases.update({
        "info@panaderia.example": ["antonio@panaderia.example"],
        "jose@panaderia.example": ["antonio@panaderia.example"],
        "web@panaderia.example": ["antonio@panaderia.example"],
        "@panaderia.example": ["antonio@panaderia.example"],
        "sales@taller.example": ["sam@taller.example"],
        "hola@gestoria.example": ["tomas@gestoria.example"],
    })


def lost_and_found(before: Lineage, owners: Dict[str, Tuple[str, Mail]]) -> None:
    """What the file system check found: files whose names are gone, and a mailbox whose name is gone."""
    ana, carmen, sam = "ana@panaderia.example", "carmen@panaderia.example", "sam@taller.example"
    lone = mail("huerfano", "2025-01-05 12:00", "Ana Ruiz <ana@panaderia.example>", carmen, "Roscón",
                "Sobró uno, pasa por él.", to_box=carmen)
    folder = [mail(f"orphan-{n}", f"2025-01-0{n} 15:00", "Garage <garage@example.org>", sam, f"Job {n}",
                   f"Job {n} is done.", to_box=sam) for n in (6, 7)]
    nobody = mail("nadie", "2025-01-09 12:00", "Lista <lista@example.net>", "socios@example.net", "Circular",
                  "A todos los socios.")
    for path, owner, what in (("#1001", carmen, lone), ("#1002", "", nobody), ("#1003", ana, delivery_note()),
                              (f"#2001/cur/{folder[0].date}.M1P9.viejo.hosting.example:2,S", sam, folder[0]),
                              (f"#2001/cur/{folder[1].date}.M2P9.viejo.hosting.example:2,FS", sam, folder[1])):
        before.orphans[path] = (what.raw, what.date)
        if owner:
            owners[path] = (owner, what)


# ---- writing ---------------------------------------------------------------------------------------------------------

def tree() -> Dict[str, Tuple[bytes, Optional[int]]]:
    """Every file of the sample by its path."""
    before, after, expected = tell()
    files: Dict[str, Tuple[bytes, Optional[int]]] = {}
    for name, lineage in (("before", before), ("after", after)):
        files.update({f"{name}/{path}": entry for path, entry in lineage.files().items()})
    times = "".join(f"{mtime}\t{path}\n" for path, (_, mtime) in sorted(files.items()) if mtime is not None)
    files["times.tsv"] = (times.encode(), None)
    files["expected.json"] = (as_json(expected).encode(), None)
    return files


def as_json(expected: dict) -> str:
    """JSON with one message on a line, so that a change of one shows as a change of one."""
    lines: List[str] = []

    def held(message: dict) -> str:
        lines.append(json.dumps(message, ensure_ascii=False))
        return f"@{len(lines) - 1}"

    accounts = [dict(account, mailboxes=[dict(box, messages=[held(m) for m in box["messages"]])
                                         for box in account["mailboxes"]]) for account in expected["accounts"]]
    text = json.dumps(dict(expected, accounts=accounts), ensure_ascii=False, indent=1)
    return re.sub(r'"@(\d+)"', lambda hold: lines[int(hold[1])], text) + "\n"


def write(out: pathlib.Path) -> None:
    for path, (content, mtime) in tree().items():
        place = out / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        if mtime is not None:
            os.utime(place, (mtime, mtime))


def check(committed: pathlib.Path) -> List[str]:
    """Names what differs between the committed sample and what this script makes."""
    with tempfile.TemporaryDirectory() as fresh:
        write(pathlib.Path(fresh))
        want = {str(p.relative_to(fresh)): p.read_bytes() for p in pathlib.Path(fresh).rglob("*") if p.is_file()}
    have = {str(p.relative_to(committed)): p.read_bytes() for p in committed.rglob("*") if p.is_file()}
    return [f"{path}: " + ("not made by the script" if path not in want else
                           "missing" if path not in have else "differs")
            for path in sorted(want.keys() | have.keys()) if want.get(path) != have.get(path)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=pathlib.Path, help="directory to write; must be empty or not exist")
    parser.add_argument("--check", action="store_true", help="compare incident/ with what the script makes")
    options = parser.parse_args()
    if options.check == bool(options.out):
        parser.error("give OUT or --check")
    if options.check:
        differences = check(HERE / "incident")
        for line in differences:
            print(line, file=sys.stderr)
        return 1 if differences else 0
    if options.out.exists() and any(options.out.iterdir()):
        parser.error(f"{options.out} is not empty")
    write(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
