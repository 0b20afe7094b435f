"""JUnit XML, as CI systems show it: one test suite a subject, one test case a check.

`failed` and `xpassed` are failures, `error` is an error; `skipped`, `blocked`, `inconclusive` and
`xfailed` are skipped, with the status and the reason as message: JUnit knows no third answer.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from rlcheck.records import Report, Result, Status, SubjectReport
from rlcheck.reports.findings import leading, percent

ELEMENT = {
    Status.FAILED: "failure",
    Status.XPASSED: "failure",
    Status.ERROR: "error",
    Status.SKIPPED: "skipped",
    Status.BLOCKED: "skipped",
    Status.INCONCLUSIVE: "skipped",
    Status.XFAILED: "skipped",
}

# Everything that XML 1.0 cannot hold, even escaped: terminal colours of a subject's output, say.
NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, interrupted: bool = False) -> str:
    """The whole report as XML text."""
    root = ET.Element("testsuites", name="rlcheck", time=f"{report.duration_s:.3f}")
    for subject in report.subjects:
        root.append(_suite(subject))
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True).decode() + "\n"


def _suite(subject: SubjectReport) -> ET.Element:
    kinds = [ELEMENT.get(result.status) for result in subject.results]
    suite = ET.Element(
        "testsuite",
        name=_text(subject.name),
        tests=str(len(kinds)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count("skipped")),
        time=f"{sum(result.duration_s for result in subject.results):.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (("contract", subject.contract), ("verdict", subject.verdict.value)):
        ET.SubElement(properties, "property", name=name, value=_text(value))
    for result in subject.results:
        suite.append(_case(subject, result))
    return suite


def _case(subject: SubjectReport, result: Result) -> ET.Element:
    case = ET.Element(
        "testcase",
        classname=_text(subject.name),
        name=_text(result.check),
        time=f"{result.duration_s:.3f}",
    )
    kind = ELEMENT.get(result.status)
    if kind is None:
        return case
    first = result.message.partition("\n")[0]
    told = result.status in (Status.FAILED, Status.ERROR, Status.SKIPPED)
    message = first if told else f"{result.status.value}: {first}"
    element = ET.SubElement(case, kind, type=result.status.value, message=_text(message))
    if kind != "skipped":
        element.text = _text("\n".join(_details(subject, result)))
    return case


def _details(subject: SubjectReport, result: Result) -> list[str]:
    faults = [d for d in leading(subject.diagnosis) if d.fault in result.suspects]
    named = [f"{d.fault} ({percent(d.probability)}): {d.title}\nFix: {d.fix}" for d in faults]
    reproduce = [f"Reproduce: {result.reproducer}"] if result.reproducer else []
    return [result.message, *named, *reproduce]


def _text(value: str) -> str:
    return NOT_XML.sub("?", value)
