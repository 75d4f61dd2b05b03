# Databricks notebook source
# MAGIC %md
# MAGIC # The live log
# MAGIC
# MAGIC Databricks shows the output of a job when the job is over. To watch it while it runs, we write what is printed to
# MAGIC small numbered files as well (a volume cannot append to a file), and a last file `_END` that says how it ended.
# MAGIC
# MAGIC The other notebooks take this one in with `%run ./live_log`; by itself it does nothing.

# COMMAND ----------

import os
import sys
import threading
import traceback

# COMMAND ----------


class LiveLog:
    """Copies what is printed to <folder>/000000.log, 000001.log, … several times a second."""

    def __init__(self, folder, every=0.3):
        self.folder = folder.replace("dbfs:/", "/dbfs/", 1) if folder.startswith("dbfs:/") else folder
        self.every, self.number, self.kept = every, 0, ""
        self.lock, self.stopped = threading.Lock(), threading.Event()
        # The platform hides secrets in a notebook's output, but it does not see these files.
        names = ("TOKEN", "SECRET", "PASSWORD", "KEY")
        self.secrets = [value for name, value in os.environ.items() if len(value) > 7 and name.upper().endswith(names)]

    def hide(self, *secrets):
        """From now on, these are written as [REDACTED]."""
        self.secrets += [secret for secret in secrets if secret]

    def __enter__(self):
        self.screen, self.thread = sys.stdout, threading.Thread(target=self.follow, daemon=True)
        try:
            if self.folder:
                os.makedirs(self.folder, exist_ok=True)
                sys.stdout = self
                self.thread.start()
        except OSError as error:  # a log that cannot be written is no reason to lose a training
            print(f"No live log: {error}")
            self.folder = ""
        return self

    def __exit__(self, kind, error, trace):
        if not self.folder:
            return
        if error:
            self.write("".join(traceback.format_exception(kind, error, trace)))
        sys.stdout = self.screen
        self.stopped.set()
        self.thread.join()
        self.save(everything=True)
        self.put("_END", "FAILED" if error else "SUCCESS")

    def __getattr__(self, name):
        return getattr(self.screen, name)  # whatever else a stream can do

    def write(self, text):
        with self.lock:
            self.kept += text
        return self.screen.write(text)

    def follow(self):
        while not self.stopped.wait(self.every):
            self.save()

    def save(self, everything=False):
        with self.lock:  # whole lines, so that no secret is cut in two
            end = len(self.kept) if everything else self.kept.rfind("\n") + 1
            text, self.kept = self.kept[:end], self.kept[end:]
        for secret in self.secrets:
            text = text.replace(secret, "[REDACTED]")
        if text:
            self.put(f"{self.number:06d}.log", text)
            self.number += 1

    def put(self, name, text):
        try:
            with open(f"{self.folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            self.screen.write(f"The live log could not write {name}: {error}\n")
