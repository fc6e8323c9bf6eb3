"""CPython's own tests of the modules that are named: how many ran, and which failed. Nothing that depends on time is printed."""
import errno
import os
import sys
import unittest
from test import support
from test.support import import_helper


def unlink(path):
    """As the tests' own; and what isn't there can't be removed from a read-only directory either."""
    try:
        os.unlink(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EROFS):
            raise


support.verbose = False
import_helper.unlink = unlink
# Some import what they have written to the present directory.
sys.path[0] = ""
for name in sys.argv[1:]:
    suite = unittest.defaultTestLoader.loadTestsFromName("test." + name)
    result = unittest.TestResult()
    suite.run(result)
    bad = sorted(str(case) for case, _ in result.failures + result.errors)
    print(f"{name}: {result.testsRun} run, {len(result.skipped)} skipped, {len(bad)} failed", *bad, sep="\n  ", flush=True)
