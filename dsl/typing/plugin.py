"""The mypy plugin: ``plugins = ["verax.dsl.typing.plugin"]``.

For every call of a function, method, operator or property of verax, the types of the arguments are
read as arrays with symbolic sizes, the function itself is called on them while staging, and what it
gives, or its error, becomes mypy's. So a new function is covered on the day that it is written.

What is not known stays open; nothing is reported that is not certain.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from mypy.checker import TypeChecker
from mypy.errorcodes import ATTR_DEFINED
from mypy.nodes import (
    ARG_POS,
    ARG_STAR,
    ARG_STAR2,
    ArgKind,
    CallExpr,
    Context,
    Expression,
    LambdaExpr,
    OverloadedFuncDef,
    RefExpr,
    TempNode,
    TypeInfo,
)
from mypy.options import Options
from mypy.plugin import (
    AnalyzeTypeContext,
    AttributeContext,
    CheckerPluginInterface,
    ClassDefContext,
    FunctionContext,
    FunctionSigContext,
    MethodContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.types import (
    AnyType,
    CallableType,
    FunctionLike,
    Instance,
    LiteralType,
    NoneType,
    Parameters,
    TupleType,
    Type,
    TypeOfAny,
    UnionType,
    UnpackType,
    get_proper_type,
)

from verax.dsl.typing import flow, library
from verax.dsl.typing.arithmetic import analyzed, check_dims, normal
from verax.dsl.typing.binding import bound
from verax.dsl.typing.counting import METHODS, POWER, counted, length, power
from verax.dsl.typing.described import UNKNOWN, Misfit, Undecided
from verax.dsl.typing.errors import note, outright, report
from verax.dsl.typing.evaluate import call, remembered
from verax.dsl.typing.names import ADD, ALIASES, MUL
from verax.dsl.typing.permissive import any_array, opened, permissive
from verax.dsl.typing.reading import is_any, unions
from verax.dsl.typing.settings import read_settings
from verax.dsl.typing.site import DEFERRED, MoreAxes, Site
from verax.dsl.typing.store import Store
from verax.dsl.typing.structs import STRUCT, struct
from verax.dsl.typing.unpacking import unpacked
from verax.dsl.typing.unsupported import is_supported, unsupported
from verax.sharding.errors import VeraxError

Call: TypeAlias = FunctionContext | MethodContext
C = TypeVar("C")
Arguments: TypeAlias = tuple[list[tuple[Any, Type]], dict[str, tuple[Any, Type]]]
JIT, JIT_MAKER = "verax.dsl.lang.jit.Jit", "verax.dsl.lang.jit.jit"
FUNCTIONS = frozenset({JIT, "verax.dsl.lang.signatures.Transformed"})
"""The classes of what transformations give, in their signatures."""
_REFUSED: Type = NoneType()
_TRACE = os.environ.get("VERAX_TRACE") == "1"


class Actual(NamedTuple):
    """One argument of a call."""

    kind: ArgKind
    name: str | None
    expression: Context
    type: Type


class VeraxPlugin(Plugin):
    """The hooks that mypy calls."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._digest = _digest()
        self._analyzing = False
        self._settings = read_settings(options.config_file)
        self._store = Store(_log(options), f"{self._digest} {sys.version}")

    def report_config_data(self, ctx: ReportConfigContext) -> Any:
        return {"verax": self._digest, "settings": list(self._settings)}

    def named(self, fullname: str, args: list[Type]) -> Instance:
        """An instance of a class that any module has."""
        symbol = self.lookup_fully_qualified(fullname)
        if symbol is None or not isinstance(symbol.node, TypeInfo):
            raise Undecided(f"{fullname} is not loaded")
        return Instance(symbol.node, args)

    # hooks ----------------------------------------------------------------------------------------

    def get_function_signature_hook(
        self, fullname: str
    ) -> Callable[[FunctionSigContext], FunctionLike] | None:
        if library.function(fullname) is not None:
            return self._signature
        return None if self._is_left_alone(fullname) else _safe(self._user_signature)

    def get_method_signature_hook(
        self, fullname: str
    ) -> Callable[[MethodSigContext], FunctionLike] | None:
        if library.function(fullname) is not None:
            return self._signature
        return None if self._is_left_alone(fullname) else _safe(self._user_signature)

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        if fullname == "builtins.len":
            return _safe(lambda ctx: length(ctx, self.named))
        if library.function(fullname) is not None:
            return _safe(lambda ctx: self._call(fullname, ctx))
        return None if _is_library(fullname) else _safe(self._user_call)

    def get_type_analyze_hook(self, fullname: str) -> Callable[[AnalyzeTypeContext], Type] | None:
        if fullname in (ADD, MUL):
            return lambda ctx: analyzed(ctx, fullname, self.named)
        if fullname in ALIASES and not self._analyzing:
            return self._annotation
        return None

    def _annotation(self, ctx: AnalyzeTypeContext) -> Type:
        """An annotation of an array: its dims must be dims."""
        self._analyzing = True  # the hook is asked again for what it analyzes
        try:
            t = ctx.api.analyze_type(ctx.type)
        finally:
            self._analyzing = False
        check_dims(ctx, t)
        return t

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        if fullname == f"{DEFERRED}.__call__":
            return _safe(self._deferred)
        if fullname == POWER:
            return _safe(lambda ctx: power(ctx, self.named))
        if fullname in METHODS:
            return _safe(lambda ctx: counted(ctx, fullname, self.named))
        if library.function(fullname) is not None:
            return _safe(lambda ctx: self._call(fullname, ctx))
        return None if _is_library(fullname) else _safe(self._user_call)

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        owner, _, name = fullname.rpartition(".")
        if owner == DEFERRED:
            return _safe(lambda ctx: self._of_deferred(name, ctx))
        if library.attribute(fullname) is not None:
            return _safe(lambda ctx: self._attribute(fullname, ctx))
        return None if _is_library(fullname) else _safe(self._user_attribute)

    def get_class_decorator_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        return struct if fullname == STRUCT else None

    # functions and classes of the user's ----------------------------------------------------------

    def _user_signature(self, ctx: FunctionSigContext | MethodSigContext) -> FunctionLike:
        return ctx.default_signature if _in_library(ctx.api) else bound(ctx, self.named)

    def _is_left_alone(self, fullname: str) -> bool:
        """Whether no dims are bound in calls of a function: of several signatures one shall fit."""
        if _is_library(fullname):
            return True
        symbol = self.lookup_fully_qualified(fullname)
        return symbol is not None and isinstance(symbol.node, OverloadedFuncDef)

    def _user_call(self, ctx: Call) -> Type:
        if _in_library(ctx.api):
            return ctx.default_return_type
        flow.report(ctx.api, ctx.context)
        return normal(ctx.default_return_type, self.named)

    def _user_attribute(self, ctx: AttributeContext) -> Type:
        if _in_library(ctx.api):
            return ctx.default_attr_type
        return normal(ctx.default_attr_type, self.named)

    # calls ----------------------------------------------------------------------------------------

    def _signature(self, ctx: FunctionSigContext | MethodSigContext) -> FunctionLike:
        if _in_library(ctx.api):
            return ctx.default_signature
        given = [e for es in ctx.args for e in es]
        function = _gives_function(ctx.default_signature.ret_type)
        if function and not any(map(_is_lambda, given)):
            return ctx.default_signature
        return permissive(ctx.default_signature, self.named, function=function)

    def _call(self, fullname: str, ctx: Call) -> Type:
        if _in_library(ctx.api):
            return ctx.default_return_type
        flow.report(ctx.api, ctx.context)
        if isinstance(ctx, MethodContext) and fullname.endswith(".__iter__"):
            unpacked(ctx, self.named)
        f = library.function(fullname)
        actuals = list(_actuals(ctx))
        static = isinstance(library.find(fullname), staticmethod)
        if isinstance(ctx, MethodContext) and not static:
            actuals.insert(0, Actual(ARG_POS, None, ctx.context, ctx.type))
        if _gives_function(ctx.default_return_type):
            return self._transformation(fullname, f, actuals, ctx)
        found = self._evaluated(f, actuals, ctx, fullname)
        if found is None:
            return self._native(fullname, ctx)
        return opened(self._native(fullname, ctx), self.named) if found is _REFUSED else found

    def _native(self, fullname: str, ctx: Call) -> Type:
        """What mypy itself makes of the call, from the signature that the library declares."""
        api = ctx.api
        assert isinstance(api, TypeChecker)
        actuals = list(_actuals(ctx))
        with api.msg.filter_errors():
            if isinstance(ctx, MethodContext):
                callee = api.expr_checker.analyze_external_member_access(
                    fullname.rpartition(".")[2], ctx.type, ctx.context
                )
            else:
                symbol = self.lookup_fully_qualified(fullname)
                node = None if symbol is None else symbol.node
                callee = getattr(node, "type", None) or ctx.default_return_type
            if not isinstance(get_proper_type(callee), FunctionLike):
                return ctx.default_return_type
            nodes: list[Expression] = [TempNode(a.type, context=ctx.context) for a in actuals]
            kinds, names = [a.kind for a in actuals], [a.name for a in actuals]
            found = api.expr_checker.check_call(callee, nodes, kinds, ctx.context, names)[0]
        if is_any(found) and fullname.endswith("__"):  # an operator on what is not known
            return any_array(self.named)
        return found

    def _evaluated(
        self,
        f: Callable[..., Any],
        actuals: list[Actual],
        ctx: Call | AttributeContext,
        name: str,
        site: Site | None = None,
    ) -> Type | None:
        """The type of what f gives; None where that cannot be told, _REFUSED after an error."""
        rows = unions([a.type for a in actuals])
        if rows is None or any(is_any(a.type) and not _literal(a) for a in actuals):
            assert isinstance(ctx.api, TypeChecker)
            if not ctx.api.expr_checker.in_lambda_expr:  # its parameters become known later
                self._dark(ctx, Undecided("the type of an argument is not known"))
            return None
        found: list[Type] = []
        for row in rows:
            site = site or self._site(ctx)
            try:
                given = [a._replace(type=t) for a, t in zip(actuals, row)]
                args, kwargs = self._read(site, given)
                xs = tuple([x for x, _ in args]), {k: x for k, (x, _) in kwargs.items()}
                try:
                    made = remembered(self._store, name, f, *xs, site.sizes)
                except Misfit:  # in every rank: let it be reported
                    site.open = False
                    made = remembered(self._store, name, f, *xs, site.sizes)
                found.append(site.result(made, name, args, kwargs))
            except Undecided as reason:
                self._dark(ctx, reason)
                return None
            except VeraxError as error:
                self._refuse(ctx, error, name)
                return _REFUSED
        return UnionType.make_union(found)

    def _refuse(self, ctx: Call | AttributeContext, error: VeraxError, name: str) -> None:
        """Report an error; of an operator at once, for else mypy tries the other operand's."""
        assert isinstance(ctx.api, TypeChecker)
        with outright(ctx.api) if name.endswith("__") else nullcontext():
            report(ctx.api, error, ctx.context)

    def _dark(self, ctx: Call | AttributeContext, reason: Undecided) -> None:
        """Say why a call was not evaluated, where that is asked for."""
        if self._settings.unknown_shapes:
            first = re.sub(r"\?\d+", UNKNOWN, str(reason).split("\n")[0])
            note(ctx.api, f"the shape is not known here: {first}", ctx.context)
        if _TRACE:
            print(f"line {ctx.context.line}: not evaluated: {reason}", file=sys.stderr)
            if reason.__cause__ is not None:
                traceback.print_exception(reason.__cause__)

    def _read(self, site: Site, actuals: list[Actual]) -> Arguments:
        """The arguments with their types; those that are given by name apart."""
        args: list[tuple[Any, Type]] = []
        kwargs: dict[str, tuple[Any, Type]] = {}
        for a in actuals:
            if a.kind.is_star():
                args += self._starred(site, a)
                continue
            e = a.expression if isinstance(a.expression, Expression) else None
            x = site.reader.argument(e, a.type), a.type
            if a.kind.is_named() and a.name is not None:
                kwargs[a.name] = x
            else:
                args.append(x)
        return args, kwargs

    def _starred(self, site: Site, a: Actual) -> list[tuple[Any, Type]]:
        """The arguments that ``*xs`` stands for."""
        t = get_proper_type(a.type)
        if a.kind != ARG_STAR or not isinstance(t, TupleType):
            raise Undecided("arguments of unknown number")
        if any(isinstance(item, UnpackType) for item in t.items):
            raise Undecided("arguments of unknown number")
        return [(site.reader.type(item), item) for item in t.items]

    def _site(self, ctx: Any) -> Site:
        assert isinstance(ctx.api, TypeChecker)
        return Site(ctx.api, ctx.context, self.named)

    def _attribute(self, fullname: str, ctx: AttributeContext) -> Type:
        if _in_library(ctx.api) or ctx.is_lvalue:
            return ctx.default_attr_type
        actual = Actual(ARG_POS, None, ctx.context, ctx.type)
        found = self._evaluated(library.attribute(fullname), [actual], ctx, fullname)
        return ctx.default_attr_type if found is None or found is _REFUSED else found

    # transformations ------------------------------------------------------------------------------

    def _transformation(
        self, fullname: str, f: Callable[..., Any], actuals: list[Actual], ctx: Call
    ) -> Type:
        """A function: its own type where mypy knows it whole, else to be evaluated when called."""
        default = get_proper_type(ctx.default_return_type)
        given = [a for a in actuals if not isinstance(a.expression, LambdaExpr)]
        late = len(given) < len(actuals) or any(_is_deferred(a.type) for a in actuals)
        site = self._site(ctx)
        try:
            args, kwargs = self._read(site, actuals)
            made = f(*[x for x, _ in args], **{k: x for k, (x, _) in kwargs.items()})
            if late or _open(default):
                return site.deferred(fullname, args, kwargs)
            parameters = _parameters(default)
            if parameters is not None:
                call(made, [site.reader.type(t) for t in parameters], {}, site.sizes)
            return default
        except Undecided as reason:
            self._dark(ctx, reason)
            return default
        except VeraxError as error:
            report(ctx.api, error, ctx.context)
            return default

    def _deferred(self, ctx: MethodContext) -> Type:
        """A call of what a transformation gave."""
        flow.report(ctx.api, ctx.context)
        actuals = list(_actuals(ctx))
        site = self._site(ctx)
        try:
            assert isinstance(ctx.type, Instance)
            f = site.built(ctx.type)
        except Undecided as reason:
            self._dark(ctx, reason)
            return ctx.default_return_type
        except VeraxError as error:
            report(ctx.api, error, ctx.context)
            return ctx.default_return_type
        found = self._evaluated(f, actuals, ctx, "", site)
        return ctx.default_return_type if found is None or found is _REFUSED else found

    def _of_deferred(self, name: str, ctx: AttributeContext) -> Type:
        """An attribute of what a transformation gave: a jitted function has some."""
        assert isinstance(ctx.api, TypeChecker)
        assert isinstance(ctx.type, Instance)
        maker = get_proper_type(ctx.type.args[0])
        if isinstance(maker, LiteralType) and maker.value == JIT_MAKER:
            unknown = AnyType(TypeOfAny.special_form)
            anything = Parameters(
                [unknown, unknown], [ARG_STAR, ARG_STAR2], [None, None], is_ellipsis_args=True
            )
            jitted = self.named(JIT, [anything, unknown])
            return ctx.api.expr_checker.analyze_external_member_access(name, jitted, ctx.context)
        ctx.api.fail(f'A function has no attribute "{name}"', ctx.context, code=ATTR_DEFINED)
        return ctx.default_attr_type


def _safe(hook: Callable[[C], Type]) -> Callable[[C], Any]:
    """A hook in which a bug of ours leaves mypy's own answer, not an internal error."""

    def run(ctx: C) -> Type:
        try:
            for _ in range(8):
                try:
                    return hook(ctx)
                except MoreAxes:
                    continue
            raise AssertionError("the mesh axes have no end")
        except Exception:
            if _TRACE:
                traceback.print_exc()
            for name in ("default_return_type", "default_attr_type", "default_signature"):
                if hasattr(ctx, name):
                    return getattr(ctx, name)  # type: ignore[no-any-return]
            raise

    return run


def _actuals(ctx: Call) -> Iterator[Actual]:
    """The arguments in the order of the parameters; ``*xs`` stands for all that it fills, once."""
    starred: set[int] = set()
    for kinds, names, es, ts in zip(ctx.arg_kinds, ctx.arg_names, ctx.args, ctx.arg_types):
        for a in map(Actual, kinds, names, es, ts):
            if not a.kind.is_star():
                yield a
            elif id(a.expression) not in starred:
                starred.add(id(a.expression))
                yield a


def _is_lambda(e: Expression) -> bool:
    """Whether an argument is a lambda, or what a transformation makes of one."""
    if isinstance(e, CallExpr):
        return isinstance(e.callee, RefExpr) and any(map(_is_lambda, e.args))
    return isinstance(e, LambdaExpr)


def _literal(a: Actual) -> bool:
    """Whether an argument says by its syntax what it is."""
    return isinstance(a.expression, LambdaExpr) or not isinstance(get_proper_type(a.type), AnyType)


def _is_deferred(t: Type) -> bool:
    p = get_proper_type(t)
    return isinstance(p, Instance) and p.type.fullname == DEFERRED


def _gives_function(t: Type) -> bool:
    """Whether a call gives a function."""
    p = get_proper_type(t)
    if isinstance(p, Instance):
        return p.type.fullname in FUNCTIONS
    return isinstance(p, FunctionLike)


def _parameters(t: Type) -> list[Type] | None:
    """The types of the parameters of what a transformation gives; None for a jitted function."""
    p = get_proper_type(t)
    if isinstance(p, CallableType):
        return p.arg_types
    if isinstance(p, Instance) and p.type.name == "Transformed":
        first = get_proper_type(p.args[0])
        return first.arg_types if isinstance(first, Parameters) else None
    return None


def _open(t: Type) -> bool:
    """Whether a type of functions has parts that are not known."""
    p = get_proper_type(t)
    if isinstance(p, Instance):
        return any(map(_open, p.args))
    if isinstance(p, (CallableType, Parameters)):
        result = [p.ret_type] if isinstance(p, CallableType) else []
        return any(is_any(a) for a in (*p.arg_types, *result))
    return isinstance(p, AnyType)


_OTHERS = ("builtins.", "typing.", "numpy.", "collections.", "functools.")


def _is_library(fullname: str) -> bool:
    """Whether a name is none of the user's, so that no dims stand in its signature."""
    if fullname.startswith("verax."):
        return fullname.endswith(".__get__")  # a descriptor of ours takes any array
    return fullname.startswith(_OTHERS)


def _in_library(api: CheckerPluginInterface) -> bool:
    """Whether what is checked now is verax itself."""
    assert isinstance(api, TypeChecker)
    return api.tree.fullname.startswith(library.FOLDERS) or api.tree.fullname == "verax"


def _log(options: Options) -> Path | None:
    """Where what calls gave is kept: in the cache, if there is one."""
    kept = options.incremental and options.cache_dir != os.devnull
    return Path(options.cache_dir) / "verax-calls" if kept else None


@lru_cache(1)
def _digest() -> str:
    """What changes whenever a source of verax does: cached results of mypy hold for one only."""
    root = Path(__file__).resolve().parents[2]
    hasher = hashlib.sha256()
    for folder in ("sharding", "compiler", "dsl", "prng"):
        for path in sorted((root / folder).rglob("*.py")):
            hasher.update(path.read_bytes())
    return hasher.hexdigest()


def plugin(version: str) -> type[Plugin]:
    """What mypy calls with its version."""
    return VeraxPlugin if is_supported(version) else unsupported(version)
