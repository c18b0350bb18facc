"""The size of the library and of what a reader has to take in at once; exits with 1 where a bar is not met.

Run from the root of the repository, by Python 3.12 or later (an older one counts the pieces of an f-string as one
token). Tokens are all but comments, docstrings, commas and line structure, so that nothing is gained by packing lines.
"""

import ast
import collections
import io
import pathlib
import sys
import tokenize

# What is allowed now: what there is. The first figure is to come down, to 72,000.
TOKENS, TOKENS_A_STATEMENT, COMPREHENSIONS_IN_100 = 105_500, 10.5, 5
STATEMENTS, PARAMETERS, PUBLIC_PARAMETERS = 40, 7, 17  # of a function
SWALLOWING, SWALLOWING_FILES = 10, 5  # `except Exception` that raises nothing
RUNNERS = 3  # files that run a model
KIND_QUESTIONS = 6  # what kind an argument is, asked outside of its class

STRUCTURE = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
OF_ARGUMENTS = {"columns", "isel", "iloc", "index", "dims", "coords", "dtype", "shape", "sizes", "categories", "cat"}
READS_TEXT = {"removeprefix", "removesuffix", "startswith", "endswith"}


def docstring_lines(tree):
    lines = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS))
            and ast.get_docstring(node, clean=False) is not None
        ):
            text = node.body[0]
            lines.update(range(text.lineno, text.end_lineno + 1))
    return lines


def statements_of(source, tree):
    """Each logical line of code: the line it starts on, and its tokens."""
    skipped, found, start, tokens = docstring_lines(tree), [], None, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NEWLINE:
            if start is not None:
                found.append((start, tokens))
            start, tokens = None, 0
        elif token.type not in STRUCTURE and token.start[0] not in skipped:
            start = token.start[0] if start is None else start
            tokens += token.string != ","
    return found


class House:
    def __init__(self):
        self.statements, self.tokens, self.comprehensions = 0, 0, 0
        self.swallowing, self.questions = collections.Counter(), collections.Counter()
        self.runners, self.classes = set(), collections.defaultdict(set)
        self.complaints = []

    def read(self, name, source):
        tree = ast.parse(source)
        statements = statements_of(source, tree)
        self.statements += len(statements)
        self.tokens += sum(tokens for _, tokens in statements)
        for node in ast.walk(tree):
            if isinstance(node, COMPREHENSIONS):
                self.comprehensions += 1
            elif isinstance(node, FUNCTIONS):
                self.function(name, node, [line for line, _ in statements])
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name.lstrip("_")].add(name)
            elif isinstance(node, ast.ExceptHandler):
                self.handler(name, node)
            elif isinstance(node, ast.Call):
                self.call(name, node)

    def function(self, name, node, lines):
        length = sum(node.lineno <= line <= node.end_lineno for line in lines)
        if length > STATEMENTS:
            self.complaints.append(f"{name}: {node.name} has {length} statements, and {STATEMENTS} are allowed")
        parameters = len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs)
        is_public = node.name == "__init__" or not node.name.startswith("_")
        if parameters > (PUBLIC_PARAMETERS if is_public else PARAMETERS):
            self.complaints.append(f"{name}: {node.name} has {parameters} parameters")

    def handler(self, name, node):
        catches_all = node.type is None or getattr(node.type, "id", "") == "Exception"
        if catches_all and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node)):
            self.swallowing[name] += 1

    def call(self, name, node):
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if called == "trace_model":
            self.runners.add(name)
        elif called in ("hasattr", "getattr") and len(node.args) > 1:
            of_argument = getattr(node.args[1], "value", "") in OF_ARGUMENTS
            if of_argument and not name.endswith(("argument.py", "containers.py")):
                self.questions[name] += 1
        elif called in READS_TEXT and "reason" in ast.unparse(node.func):
            self.complaints.append(f"{name}:{node.lineno} reads a sentence of ours")

    def judge(self):
        density = self.tokens / self.statements
        packed = 100 * self.comprehensions / self.statements
        asked, swallowed = sum(self.questions.values()), sum(self.swallowing.values())
        repeated = sorted(name for name, files in self.classes.items() if len(files) > 1)
        print(f"{self.tokens} tokens, {density:.1f} a statement, {packed:.1f} comprehensions in 100 statements")
        bars = {
            f"{self.tokens} tokens, and {TOKENS} are allowed": self.tokens > TOKENS,
            f"{density:.1f} tokens a statement": round(density, 1) > TOKENS_A_STATEMENT,
            f"{packed:.1f} comprehensions in 100 statements": packed > COMPREHENSIONS_IN_100,
            f"exceptions swallowed: {dict(self.swallowing)}": swallowed > SWALLOWING
            or len(self.swallowing) > SWALLOWING_FILES,
            f"models run in {sorted(self.runners)}": len(self.runners) > RUNNERS,
            f"arguments asked for their kind: {dict(self.questions)}": asked > KIND_QUESTIONS,
            f"classes of one name: {repeated}": bool(repeated),
        }
        return self.complaints + [bar for bar, missed in bars.items() if missed]


if __name__ == "__main__":
    if sys.version_info < (3, 12):
        sys.exit("this needs Python 3.12 or later")
    house = House()
    for path in sorted(pathlib.Path("sanitize").rglob("*.py")):
        house.read(path.relative_to("sanitize").as_posix(), path.read_text())
    complaints = house.judge()
    print(*complaints, sep="\n")
    sys.exit(bool(complaints))
