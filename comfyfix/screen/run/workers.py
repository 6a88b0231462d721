"""What workers with stores of their own have come to, as people read it."""

from __future__ import annotations

from comfyfix.screen.words import t

SHOWN = 5
"""Models of one worker that are named."""


def begun(name: str, count: int) -> str:
    """A worker begins to bring what it needs."""
    return t("Worker {name}: {count:models} to be there", name=name, count=count)


def ended(name: str, count: int, bad: list[tuple[str, str]]) -> list[str]:
    """What has come of it: `bad` are models with what is wrong with them."""
    if not bad:
        return [t("✓ Worker {name}: {count:models} there and right", name=name, count=count)]
    line = "✗ Worker {name}: {bad} of {count:models} not right"
    lines = [t(line, name=name, bad=len(bad), count=count)]
    lines += [f"    {t('{model}: {why}', model=model, why=why)}" for model, why in bad[:SHOWN]]
    if len(bad) > SHOWN:
        lines.append(f"    {t('and {count} more', count=len(bad) - SHOWN)}")
    return lines


def failed(name: str, why: str) -> str:
    """A worker could do nothing."""
    return t("✗ Worker {name}: {why}", name=name, why=why)
