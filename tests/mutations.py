"""What mutants.py changes in the code of a chapter, what it leaves out by rule, and which statement reads what."""

import ast
import dis
import re
import types
from dataclasses import dataclass

# ---- what is changed


def both_ways(text, read=str):
    pairs = [tuple(map(read, pair.split())) for pair in text.split(",")]
    return dict(pairs) | {b: a for a, b in pairs}


OPERATORS = both_ways(
    "Add Sub, Mult Div, FloorDiv Mod, And Or, BitAnd BitOr, LShift RShift, Eq NotEq, In NotIn",
    lambda x: getattr(ast, x),
) | {ast.Pow: ast.Mult}
ORDER = {ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE)}
FUNCTIONS = both_ways(
    "min max, amin amax, argmin argmax, minimum maximum, sum mean, any all, floor ceil, sin cos, triu tril, ones zeros"
)
DROPPED = {"abs", "sqrt", "square", "exp", "log", "cumsum", "sort"}  # f(x) → x
TRANSPOSED = {"T", "mT", "H", "mH"}
MODULES = {"np", "torch", "math", "sympy"}


def edits(node):
    """What may stand in the place of a node."""
    called = getattr(node.parent, "func", None) is node
    match node:
        case ast.BinOp(left=a, op=op, right=b):
            if type(op) in OPERATORS and not (isinstance(op, (ast.Mult, ast.Div)) and is_sign(b)):
                yield ast.BinOp(a, OPERATORS[type(op)](), b)
            if isinstance(op, (ast.Mult, ast.Div)):  # a factor dropped, the constant one if there is one
                yield b if isinstance(op, ast.Mult) and isinstance(a, ast.Constant) else a
            if isinstance(op, ast.MatMult) and ast.dump(a) != ast.dump(b):
                yield ast.BinOp(b, op, a)
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in OPERATORS:
            yield ast.AugAssign(target, OPERATORS[type(op)](), value)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(OPERATORS[type(op)](), values)
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert(), operand=x):
            yield x
        case ast.Compare(left=x, ops=ops, comparators=others):
            for i, op in enumerate(ops):
                for new in ORDER.get(type(op), ()) or filter(None, [OPERATORS.get(type(op))]):
                    yield ast.Compare(x, [*ops[:i], new(), *ops[i + 1 :]], others)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)) if abs(value) <= 100:
            yield ast.Constant(value + 1)
        case ast.Name(id=name, ctx=ast.Load()) if len(name) == 1 and is_index(node):
            yield ast.BinOp(node, ast.Add(), ast.Constant(1))
        case ast.Slice(lower=low, upper=high, step=step):
            if low and names_in(low):
                yield ast.Slice(ast.BinOp(low, ast.Add(), ast.Constant(1)), high, step)
            if high and names_in(high):
                yield ast.Slice(low, ast.BinOp(high, ast.Add(), ast.Constant(1)), step)
        case ast.Attribute(value=x, attr=name, ctx=ast.Load()) if name in TRANSPOSED or (called and name in FUNCTIONS):
            yield x if name in TRANSPOSED else ast.Attribute(x, FUNCTIONS[name], node.ctx)
        case ast.Name(id=name) if called and name in FUNCTIONS:
            yield ast.Name(FUNCTIONS[name], node.ctx)
        case ast.Call(func=ast.Name(id=name), args=[x, *_]) if name in DROPPED:
            yield x
        case ast.Call(func=ast.Attribute(value=x, attr=name), args=args) if name in DROPPED:
            yield args[0] if dotted(x) in MODULES and args else x


def is_sign(node):
    """1 or −1, or a list of these: to divide by it is to multiply by it."""
    match node:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return all(map(is_sign, parts))
        case ast.Constant(value=1) | ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)):
            return True
    return False


def is_index(node):
    """i in x[i], or in x[i, j]."""
    up = node.parent.parent if isinstance(node.parent, ast.Tuple) else node.parent
    return isinstance(up, ast.Subscript) and up.slice in (node, node.parent)


@dataclass(eq=False)
class Mutant:
    """One node, and what stands in its place."""

    unit: "Unit"
    old: ast.AST
    new: ast.AST
    at: int = 0  # the statement of the chapter before which its process is forked
    plan: list | None = None  # the statements to run after that one; None where no check reads it
    fate: str = "alive"

    def __post_init__(self):
        shown = self.old
        while (up := shown.parent) is not self.unit.box and not hasattr(up, "body") and len(ast.unparse(up)) <= 70:
            shown = up
        before = ast.unparse(shown)
        self.apply(self.new)
        self.change = f"{before} → {ast.unparse(self.new if shown is self.old else shown)}"
        self.apply(self.old)

    def apply(self, node):
        up, (field, k) = self.old.parent, self.old.place
        if k is None:
            setattr(up, field, node)
        else:
            getattr(up, field)[k] = node

    def __str__(self):
        up = self.old
        while not hasattr(up, "lineno"):
            up = up.parent
        return f"{self.unit.file} [{self.unit.cell}] line {up.lineno}: `{self.change}`"


def mutants_of(unit):
    """Its mutants; those that a rule leaves out have it as the attribute `rule` of `old`."""
    return [Mutant(unit, node, new) for node in ast.walk(unit.node) for new in edits(node)]


# ---- what is left out: a node that cannot matter carries the name of the rule that says so

DRAWS = re.compile(r"\b(show|explore|sketch|predict|fig|ax|axes|Markdown|HTML|tabulate)[.(]|\bplt\.(?!style)")
RANDOM = re.compile(
    r"seed|(rng|own|torch|np\.random)\.(normal|uniform|integers|choice|random|permutation|shuffle|gumbel|exponential"
    r"|standard_\w+|rand\w*|default_rng|manual_seed)"
)
SIZED = re.compile(
    r"(.*\.)?(arange|linspace|geomspace|logspace|zeros|ones|eye|full|empty|tile|repeat|reshape|view|range|tqdm|workdps)"
)
INERT = re.compile(
    r"strict|check_finite|copy|desc|leave|mininterval|dtype|device|alt|caption|label|display|disable|retain_graph"
    r"|rounds"
)
SEEDS = re.compile(r"rng|seed|generator|chance")
TOLERANCE = re.compile(r"[ar]?tol(erance)?|margin|slack")
CARRIED = {"tolerance", "broken variant", "text", "random data"}
NEAR = (ast.BinOp, ast.Compare, ast.Subscript)  # where a constant is mathematics, in a list too; or else by itself:
NEXT = (*NEAR, ast.UnaryOp, ast.Slice, ast.Call, ast.keyword, ast.Return, ast.IfExp, ast.Lambda, ast.Assign)
NEXT += (ast.AugAssign, ast.BoolOp)
IMPORTS = (ast.Import, ast.ImportFrom)


def leave(rule, *nodes):
    for node in (node for top in nodes if top for node in ast.walk(top)):
        node.__dict__.setdefault("rule", rule)


def leave_out(units):
    """Mark what cannot matter in the statements of a chapter, or of a helper."""
    figures = {unit.cell for unit in units if draws(unit) or isinstance(unit.node, IMPORTS)}
    makers, data = set(), set()  # names of functions that only draw random data, and of such data
    for unit in units:
        if "broken" in unit.tags or unit.cell in figures:
            leave("broken variant" if "broken" in unit.tags else "figures and tables", unit.node)
        for names, value in definitions(unit.node):
            if isinstance(value, ast.Lambda) and any(map(is_draw, ast.walk(value))):
                makers |= set(names)
            elif not names_in(value):
                leave("sizes and cases", value)
            elif isinstance(value, (ast.Tuple, ast.List, ast.Dict)):
                leave("sizes and cases", *(x for x in ast.iter_child_nodes(value) if not names_in(x)))
        for node in ast.walk(unit.node):
            leave_out_at(node, makers, data)
        data -= unit.renews
        for names, value in definitions(unit.node):
            data |= set(names) if is_draw(value) or getattr(value, "rule", "") == "random data" else set()
    carry(units)


def leave_out_at(node, makers, data):
    match node:
        case ast.JoinedStr():
            leave("text", node)
        case ast.Raise() | ast.If(body=[ast.Raise()], orelse=[]):
            leave("refusals", node)
        case ast.arguments():
            leave("sizes and cases", *(x for x in [*node.defaults, *node.kw_defaults] if x and not names_in(x)))
        case ast.Constant(value=int() | float()):
            up = node.parent
            while isinstance(up, (ast.Tuple, ast.List)):
                up = up.parent
            if not isinstance(up, NEXT if up is node.parent else NEAR):
                leave("sizes and cases", node)
        case ast.keyword(arg=str(name)) if INERT.fullmatch(name) or SEEDS.fullmatch(name):
            leave("random data" if SEEDS.fullmatch(name) else "arguments that compute nothing", node)
        case ast.Tuple(elts=[m, y, z]) if re.fullmatch(r".*-(np|torch)\.inf\)?", ast.unparse(m)):
            # a state of weight e^-inf: the shapes of its sums matter, not what they hold
            nothing = re.fullmatch(r"0\.0|(torch\.tensor|float)\(0\.0\)", ast.unparse(z))
            leave("empty states", y.func if is_zeros(y) else None, z if nothing else None)
        case ast.Subscript(value=ast.Name(id=name), slice=index) if name in data and not names_in(index):
            leave("random data", index)  # which of the draws
        case ast.Call(func=ast.Name(id="norm"), args=[product], keywords=[ast.keyword(arg="axis") as axis]) if is_gram(
            product
        ):
            leave("sides of a symmetric matrix", axis)
        case ast.BinOp(op=ast.Div(), right=ast.Name(id="slack")):
            node.rule = "tolerance"  # as it is measured against 1
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if TOLERANCE.fullmatch(name):
            leave("tolerance", value)
        case ast.Assign(targets=[target], value=ast.Call(func=ast.Name(id="medians"))):
            for use in ast.walk(node.parent):
                if isinstance(use, (ast.Expr, ast.Assign)) and set(names_in(target)) & set(names_in(use)):
                    leave("timing", use)
        case ast.Call(args=args, keywords=keywords):
            name, given = dotted(node.func), [*args, *(k.value for k in keywords)]
            named = dict(enumerate(args)) | {k.arg: k.value for k in keywords}
            if name == "check.fails":
                leave("broken variant", node)
            elif name == "check.holds":
                leave("text", named.get(2), named.get("seen"))
            elif name in ("check.close", "check.below"):
                leave(
                    "tolerance", named.get("atol"), named.get("bound"), named.get(2) if name == "check.below" else None
                )
            elif is_draw(node) or name in makers or any(dotted(x) == "rng" for x in given):
                leave("random data", *given)
                while isinstance(up := node.parent, ast.BinOp) and (  # its scale
                    isinstance(up.op, (ast.Mult, ast.Div)) or not names_in(up.left) or not names_in(up.right)
                ):
                    leave("random data", node := up)
            elif name == "medians":
                leave("timing", node)
            elif SIZED.fullmatch(name or "." + getattr(node.func, "attr", "")):
                leave("sizes and cases", *(x for x in given if not names_in(x)))


def draws(unit):
    return "machinery" in unit.tags and DRAWS.search(ast.unparse(unit.node))


def is_zeros(node):
    return isinstance(node, ast.Call) and dotted(node.func) in ("np.zeros", "torch.zeros")


def is_draw(node):
    return isinstance(node, ast.Call) and bool(RANDOM.fullmatch(dotted(node.func)))


def is_gram(node):
    """A.T @ A"""
    match node:
        case ast.BinOp(left=ast.Attribute(value=a, attr="T"), op=ast.MatMult(), right=b):
            return ast.unparse(a) == ast.unparse(b)
    return False


def carry(units):
    """What is read only in tolerances (broken variants, …) is a tolerance itself."""
    new = True
    while new:
        new, reads = [], []
        for unit in units:
            reads.append({})
            for node in ast.walk(unit.node):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    reads[-1].setdefault(node.id, set()).add(getattr(node, "rule", None))
        for i, unit in enumerate(units):
            for node in ast.walk(unit.node):
                for names, value in definitions(node):
                    rules = set()
                    for name in names:  # it is read until another statement renews it
                        last = next((j for j in range(i + 1, len(units)) if name in units[j].renews), len(units) - 1)
                        inside = reads[i + (node is unit.node) : last + 1] if name in unit.binds else [reads[i]]
                        rules = rules.union(*(read.get(name, ()) for read in inside))
                    if rules and rules <= CARRIED and not hasattr(value, "rule"):
                        new.append((min(rules), value))
        for rule, value in new:
            leave(rule, value)


def definitions(node):
    """(names, value) of an assignment or loop, of a tuple one by one; a function is its own value."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            yield from ((names_in(target), value) for target, value in zip(targets, values, strict=False))
        case ast.Assign(targets=[target], value=value) | ast.For(target=target, iter=value):
            yield names_in(target), value
        case ast.FunctionDef(name=name):
            yield [name], node


def names_in(node):
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


def dotted(node):
    """The text of a name such as check.close, nothing for other expressions."""
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


# ---- which statement reads what

DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(eq=False)
class Unit:
    """A statement at top level, of a cell or of a helper."""

    file: str
    cell: str
    tags: tuple
    node: ast.stmt

    def __post_init__(self):
        self.box = ast.Module([self.node], [])
        for up in ast.walk(self.box):
            for field, value in ast.iter_fields(up):
                for k, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                    if isinstance(node, ast.AST):
                        node.parent, node.place = up, (field, k)
        code = self.code()
        self.binds, self.reads = names_of(code, "STORE"), names_of(code, "LOAD")
        self.inner = set().union(*(names_of(c, "LOAD", True) for c in code.co_consts if isinstance(c, types.CodeType)))
        self.reads |= self.inner if not isinstance(self.node, DEFINES) else set()
        self.renews = self.binds if isinstance(self.node, (*DEFINES, *IMPORTS, ast.Assign)) else set()

    def code(self):
        tree = ast.fix_missing_locations(self.box)
        return compile(tree, f"<{self.cell}>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    def touches(self, fixed):
        """Names of objects that change in place: x[i] = …, x.a = …, x.append(…), fit(x), y = x.add_(…)."""
        for node in ast.walk(self.node):
            if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
                yield root(node)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and root(node.value) not in fixed:
                yield from (root(node.value), *(x.id for x in node.value.args if isinstance(x, ast.Name)))
            elif isinstance(node, ast.Call) and re.search(r"\.(\w*[a-z]_|load_state_dict)$", dotted(node.func)):
                yield root(node.func)


def names_of(code, kind, function=False):
    """The global names that code reads or binds; of a function, with those of the functions in it."""
    ends = "_GLOBAL" if function else ("_NAME", "_GLOBAL")
    found = {s.argval for s in dis.get_instructions(code) if s.opname.startswith(kind) and s.opname.endswith(ends)}
    inner = (c for c in code.co_consts if function and isinstance(c, types.CodeType))
    return found.union(*(names_of(c, kind, True) for c in inner))


def root(node):
    """x for x.y[i](z).w"""
    while node and not isinstance(node, ast.Name):
        node = getattr(node, "value", None) or getattr(node, "func", None)
    return node.id if node else ""


class Flow:
    """What each statement reads, with all that the functions in it may read, and what it binds or changes."""

    def __init__(self, units):
        fixed = {"rng"}.union(*(unit.binds for unit in units if isinstance(unit.node, IMPORTS)))
        defined = set().union(*(u.binds for u in units if isinstance(u.node, DEFINES) or is_lambda(u)))
        late, made = {}, {}  # what the functions in the value of a name may read; what the value was made from
        self.units, self.reads, self.writes = units, [], []
        for unit in units:
            self.reads.append(closure(unit.reads, late))
            touched = set(unit.touches(fixed)) - fixed
            touched = touched.union(*(made.get(name, ()) for name in touched))  # optimizer.step() moves the weights
            made |= dict.fromkeys(unit.renews, unit.reads - fixed - defined)
            self.writes.append(unit.binds | touched)
            for name in self.writes[-1]:
                old = set() if name in unit.renews else late.get(name, set())
                late[name] = old.union(unit.inner, *(late.get(n, ()) for n in unit.reads | unit.inner))
        asserts = lambda unit: any(isinstance(node, ast.Assert) for node in ast.walk(unit.node))
        self.checks = {i for i, u in enumerate(units) if "check" in self.reads[i] or asserts(u)}
        settings = lambda unit: isinstance(unit.node, ast.Expr) and root(unit.node) in fixed and not draws(unit)
        self.always = {i for i, u in enumerate(units) if settings(u)} - self.checks  # torch.set_default_dtype(…)

    def later(self, i, changed):
        """What to run after statement i when these names are changed: checks that read them, and what those need."""
        changed, reached = set(changed), set()
        for j in range(i + 1, len(self.units)):
            if self.reads[j] & changed:
                reached.add(j)
                changed |= self.writes[j]
            else:
                changed -= self.units[j].renews
        return self.needed(reached & self.checks, i + 1) if reached & self.checks else []

    def needed(self, wanted, first=0):
        needs, found = set(), []
        for j in reversed(range(first, len(self.units))):
            if j in wanted or j in self.always or self.writes[j] & needs:
                found.append(j)
                needs = (needs - self.units[j].renews) | self.reads[j] | self.units[j].inner
        return found[::-1]


def is_lambda(unit):
    return isinstance(getattr(unit.node, "value", None), ast.Lambda)


def closure(names, more):
    names, todo = set(names), list(names)
    while todo:
        new = more.get(todo.pop(), set()) - names
        names |= new
        todo += new
    return names
