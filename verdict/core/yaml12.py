"""YAML as DVC reads it (1.2, by ruamel.yaml): a stage gets the value that DVC recorded.

PyYAML reads YAML 1.1, where ``5e-05`` is text, ``010`` is 8 and ``no`` is false. So does ruamel,
for DVC as for a stage, where a file says ``%YAML 1.1``.
"""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from verdict.core.errors import VerdictError

#: What constructors of scalars raise for, say, ``2020-13-45`` or ``!!int x``.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
#: Values in a document, those counted that aliases repeat: a dvc.lock has some ten thousand.
_MOST = 1_000_000


class _Constructor(SafeConstructor):
    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _UNREADABLE as error:
            raise ConstructorError(None, None, str(error), node.start_mark) from None


def load_yaml(text: str | bytes, path: Path | str) -> Any:
    """Return what a YAML 1.2 document says; None if it says nothing.

    Args:
        text: the document; bytes are UTF-8.
        path: where it stands, for messages.

    Raises:
        VerdictError: a repeated key, an unknown tag, aliases that multiply or lead back to
            themselves, or no valid YAML; it names file and line.
    """
    # As dvc.utils.serialize, which is not public.
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _Constructor
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        value = reader.load(text)
        if _size(value, {}) <= _MOST:
            return value
        line, problem = 1, f"its aliases (*) stand for more than {_MOST:,} values"
    except UnicodeDecodeError as error:
        line, problem = error.object.count(b"\n", 0, error.start) + 1, "is not UTF-8 text"
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, problem = mark.line + 1, str(error.problem or error.context)
    except YAMLError as error:  # a character that YAML does not have
        line = str(text).count("\n", 0, getattr(error, "position", 0)) + 1
        problem = str(error).splitlines()[0]
    except (AssertionError, KeyError):  # ruamel's, of ``%YAML 1.3``
        line = str(text).count("\n", 0, str(text).find("%YAML")) + 1
        problem = "no version but 1.1 and 1.2 can be read"
    except RecursionError:
        line, problem = 1, "it is nested too deeply"
    raise VerdictError(f"{path}, line {line}, is not valid YAML: {problem}; mend it there")


def _size(value: Any, known: dict[int, int]) -> int:
    """Return how many values there are, each as often as an alias repeats it.

    Raises:
        RecursionError: one of them holds itself.
    """
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        parts = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(value)]


def dump_yaml(value: Any, *, flow: bool = False, width: int = 90) -> str:
    """Return YAML 1.2 text that ``load_yaml`` and DVC read back to the same value.

    Args:
        value: of mappings, lists and scalars; mappings keep their order.
        flow: on one line, in brackets, instead of a block.
        width: characters after which a line is broken, where it can be.
    """
    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = flow
    writer.sort_base_mapping_type_on_output = False
    writer.width = width
    stream = io.StringIO()
    writer.dump(value, stream)
    return stream.getvalue().removesuffix("...\n")
