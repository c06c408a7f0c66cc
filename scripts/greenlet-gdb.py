"""Greenlets for gdb: source scripts/greenlet-gdb.py

    greenlets           lists the greenlets of the process or core file: number, name, state,
                        and where each is suspended; idle workers; then the coroutines
    greenlet-bt N...    prints the backtrace of suspended ones; all: of each

On the engine of one M greenlets are goroutines: Go's own runtime-gdb.py shows their
backtraces (goroutine N bt). The coroutines listed here are the C stacks that suspended ones
keep, since they have C frames, and the one in place; their backtraces are those of the C
frames. On the portable engine each greenlet has one, and no place is known.

Nothing in the process is changed, and a core file will do. Both need the debug
information of the C core and of Go, which `go build` keeps unless -ldflags=-w is
given. docs/debugging.md has an example.
"""

import gdb
from gdb.unwinder import Unwinder, register_unwinder

# Where a suspended stack goes on: the names of the program counter, stack and frame
# pointer, and by how much the stack pointer moves when the word at it is taken as
# the address to go on at. csrc/switch_amd64.S and switch_arm64.S have the pictures.
CPUS = {
    "i386:x86-64": ("rip", "rsp", "rbp", 8),
    "aarch64": ("pc", "sp", "x29", 16),
}


# Of a C stack on which nothing is, the engine of one M has at most so much in use.
UNUSED = 256


def word_at(address):
    """The unsigned word at an address."""
    kind = gdb.lookup_type("unsigned long").pointer()
    return int(gdb.Value(int(address)).cast(kind).dereference())


class Coroutine:
    def __init__(self, record, lo, hi):
        self.record, self.lo, self.hi = record, lo, hi
        self.owner = int(record["owner"])
        self.address = int(record.address)

    def running(self):
        return int(self.record["owner"].dereference()["current"]) == self.address

    def saved_sp(self):
        try:
            return int(self.record["ctx"]["sp"])
        except gdb.error:
            raise gdb.GdbError("this program was built with greenlet_ucontext, which is not supported here")

    def kept(self):
        """Whether it is a C stack of the engine of one M, not run by the C core."""
        return "<not_run>" in str(self.record["body"])

    def used(self):
        """How many bytes of its stack are in use; None while it runs."""
        if self.running() or not self.lo <= self.saved_sp() < self.hi:
            return None
        return self.hi - self.saved_sp()

    def goroutine(self):
        """The struct g that it is to Go, and whether C has switched it; (None, False)."""
        g0 = int(self.record["tls_slot"])
        if g0 == 0 or self.running():
            return None, False
        try:
            g = gdb.Value(g0).cast(gdb.lookup_type("runtime.g").pointer())
            curg = g["m"]["curg"]
            return curg, int(curg) != g0
        except gdb.error:
            return None, False  # no debug information of Go's runtime


def coroutines():
    """All that live, in the order of their stacks, but for the threads' own."""
    try:
        slab = gdb.parse_and_eval("glet_slabs")
        kind = gdb.lookup_type("struct glet_coro")
    except gdb.error as e:
        raise gdb.GdbError("no debug information of greenlet's C core: %s" % e)
    found = []
    while int(slab) != 0:
        base, slot = int(slab["base"]), int(slab["class"]["slot"])
        for i in range(int(slab["fresh"])):
            hi = base + (i + 1) * slot
            at = word_at(hi - 16)  # see top in csrc/coro.c
            if at == 0:
                continue
            record = gdb.Value(at).cast(kind.pointer()).dereference()
            if int(record["owner"]) == 0:
                continue
            c = Coroutine(record, int(record["stack"]["lo"]), hi)
            if not c.kept() or c.running() or (c.used() or 0) > UNUSED:
                found.append(c)
        slab = slab["older"]
    return sorted(found, key=lambda c: c.lo)


def threads():
    """The numbers of gdb's threads by their thread pointers."""
    selected = gdb.selected_thread()
    by_pointer = {}
    for t in gdb.selected_inferior().threads():
        t.switch()
        for register in ("$fs_base", "$tpidr"):
            try:
                value = gdb.parse_and_eval(register)
            except gdb.error:
                continue
            if value.type.code != gdb.TYPE_CODE_VOID:
                by_pointer[int(value)] = t.num
    if selected is not None:
        selected.switch()
    return by_pointer


def thread_of(owner, by_pointer):
    """The thread whose thread-local block has that address in it; None: unknown.

    It lies below the thread pointer on amd64 and above it on arm64.
    """
    if not by_pointer:
        return None
    if gdb.selected_frame().architecture().name() == "aarch64":
        below = [p for p in by_pointer if p <= owner]
        return by_pointer[max(below)] if below else None
    above = [p for p in by_pointer if p >= owner]
    return by_pointer[min(above)] if above else None


class FrameId:
    """What gdb takes for a frame's identity."""

    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Elsewhere(Unwinder):
    """While it has a place, the selected thread's innermost frame seems to have
    been called from there."""

    def __init__(self):
        super().__init__("greenlet")
        self.place = None

    def __call__(self, pending):
        if self.place is None:
            return None
        (pc_name, sp_name, fp_name, step), real_sp, real_pc, new_pc, new_sp = self.place
        here, pc = pending.read_register(sp_name), pending.read_register(pc_name)
        if int(here) != real_sp or int(pc) != real_pc:
            return None  # not the innermost one
        # gdb does not believe in a caller whose stack lies below its callee's.
        identity = gdb.Value(new_sp - 2 * step).cast(here.type)
        info = pending.create_unwind_info(FrameId(identity, pc))
        info.add_saved_register(pc_name, gdb.Value(new_pc).cast(pc.type))
        info.add_saved_register(sp_name, gdb.Value(new_sp).cast(here.type))
        info.add_saved_register(fp_name, pending.read_register(fp_name))
        return info

    def of(self, coroutine):
        """The text of a suspended coroutine's backtrace."""
        sp = coroutine.saved_sp()
        if coroutine.kept():
            # It is where cgocallback has left it (asm_amd64.s): four words, and its caller.
            if gdb.newest_frame().architecture().name() != "i386:x86-64":
                raise gdb.GdbError("not for this CPU: the C frames of a greenlet on the engine of one M")
            return self.backtrace(word_at(sp + 32), lambda cpu: sp + 40)
        text = self.backtrace(word_at(sp), lambda cpu: sp + cpu[3])
        g, in_c = coroutine.goroutine()
        if in_c:  # gdb does not find from the C stack to the goroutine's
            sp = int(g["syscallsp"])
            text += "\nand its goroutine:\n" + self.backtrace(int(g["syscallpc"]), lambda cpu: sp)
        return text

    def backtrace(self, pc, sp_for):
        """The text of the backtrace from a program counter and stack pointer."""
        frame = gdb.newest_frame()
        cpu = CPUS.get(frame.architecture().name())
        if cpu is None:
            raise gdb.GdbError("not for this CPU: " + frame.architecture().name())
        real_sp, real_pc = int(frame.read_register(cpu[1])), frame.pc()
        self.place = (cpu, real_sp, real_pc, pc, sp_for(cpu))
        gdb.invalidate_cached_frames()
        try:
            lines = gdb.execute("backtrace", to_string=True).splitlines()
        finally:
            self.place = None
            gdb.invalidate_cached_frames()
        start = next((i for i, line in enumerate(lines) if line.startswith("#1 ")), len(lines))
        return "\n".join(lines[start:])


ELSEWHERE = Elsewhere()
register_unwinder(None, ELSEWHERE, replace=True)


PACKAGE = "github.com/go-greenlet/greenlet"

# What life says (greenlet.go).
IDLE = 2  # treeIdle (idle.go): from here on no greenlet lives in the tree
LIVES = {0: "pending", 1: "moving", 2: "suspended", 3: "dead"}


def go_string(address):
    """The string of Go's that lies at an address."""
    text, n = word_at(address), word_at(address + 8)
    return bytes(gdb.selected_inferior().read_memory(text, n)).decode("utf-8", "replace") if n else ""


def function_at(pc):
    """The name of the function that an address is in."""
    block = gdb.block_for_pc(pc)
    while block is not None and block.function is None:
        block = block.superblock
    return block.function.print_name if block is not None else ""


class Greenlet:
    """A living greenlet, as package greenlet knows it."""

    def __init__(self, tree, core):
        self.tree, self.core = tree, core

    def id(self):
        return int(self.core["id"])

    def name(self):
        p = int(self.core["name"]["v"])
        return go_string(p) if p != 0 else ""

    def state(self):
        if int(self.tree["current"]["c"]) == int(self.core):
            return "running"
        return LIVES.get(int(self.core["life"]["v"]), "?")

    def coro(self):
        return self.core["coro"]

    def goroutine(self):
        """Its struct g; None: it has none of its own (the portable engine)."""
        coro = self.coro()
        if int(coro) == 0 or int(coro["g"]) == 0:
            return None
        return gdb.Value(int(coro["g"])).cast(gdb.lookup_type("runtime.g").pointer())

    def place(self):
        """Where it is suspended: the user's function, file and line."""
        g = self.goroutine()
        if g is None or self.state() != "suspended":
            return ""
        lo, hi = int(g["stack"]["lo"]), int(g["stack"]["hi"])
        sp, bp = int(g["sched"]["sp"]), int(g["sched"]["bp"])
        if bp == 0:  # the chain is cut, since there are C frames below: see slowSwitchInC
            bp = word_at(sp + 16)
        while lo <= bp < hi:
            pc = word_at(bp + 8) - 1
            bp = word_at(bp)
            name, line = function_at(pc), gdb.find_pc_line(pc)
            inside = (name.startswith(("runtime.", PACKAGE + ".", PACKAGE + "/tasklet.", PACKAGE + "/internal/"))
                      and not (line.symtab is not None and line.symtab.filename.endswith("_test.go")))
            if name and not inside and line.symtab is not None:
                return "%s at %s:%d" % (name, line.symtab.filename, line.line)
        return "?"


def trees(idle=False):
    """The trees that have not ended, also the idle ones if that is asked for; none if there is no debug
    information of the package."""
    try:
        tree = gdb.parse_and_eval("'%s.trees'" % PACKAGE)["first"]
    except gdb.error:
        return
    while int(tree) != 0:
        if idle or int(tree["known"]["v"]) < IDLE:
            yield tree
        tree = tree["links"]["next"]


def greenlets():
    """All that live, each root before its greenlets."""
    for tree in trees():
        yield Greenlet(tree, tree["root"]["c"])
        head = int(tree["root"]["c"])
        core = tree["root"]["c"]["next"]
        while int(core) != head and int(core) != 0:
            yield Greenlet(tree, core)
            core = core["next"]


def workers():
    """The idle workers."""
    for tree in trees(idle=True):
        idle = tree["th"]["pool"]["idle"]
        for i in range(int(idle["len"])):
            yield (idle["array"] + i).dereference()


def list_greenlets():
    """Prints what greenlets there are."""
    print("%-6s %-20s %-10s %-8s %-10s %s" % ("ID", "name", "state", "thread", "goroutine", "suspended in"))
    for greenlet in greenlets():
        g = greenlet.goroutine()
        print("%-6d %-20s %-10s %-8d %-10s %s" % (
            greenlet.id(), greenlet.name() or "-", greenlet.state(), int(greenlet.tree["tid"]["v"]),
            "-" if g is None else int(g["goid"]), greenlet.place()))
    for worker in workers():
        g = worker["coro"]["g"]
        if int(g) != 0:
            g = gdb.Value(int(g)).cast(gdb.lookup_type("runtime.g").pointer())["goid"]
        print("%-6s %-20s %-10s %-8d %-10s" % ("-", "-", "idle", int(worker["th"]["tid"]), int(g) or "-"))


class Greenlets(gdb.Command):
    """Lists the greenlets, and the coroutines that they run on."""

    def __init__(self):
        super().__init__("greenlets", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        list_greenlets()
        print()
        owners = {}
        for greenlet in greenlets():
            if int(greenlet.coro()) != 0 and int(greenlet.coro()["Native"]) != 0:
                owners[int(greenlet.coro()["Native"])] = " %s/%d" % (greenlet.name() or "greenlet", greenlet.id())
        for worker in workers():
            owners[int(worker["coro"]["Native"])] = " idle"
        by_pointer = threads()
        print("%-4s %-18s %-7s %-10s %-10s %s" % ("N", "record", "thread", "state", "goroutine", "stack, and bytes of it in use"))
        for n, c in enumerate(coroutines(), 1):
            running = c.running()
            g, _ = c.goroutine()
            print("%-4d %-18s %-7s %-10s %-10s %#x-%#x %s%s" % (
                n, hex(c.address), thread_of(c.owner, by_pointer) or "?",
                "in place" if running and c.kept() else "running" if running else "kept" if c.kept() else "suspended",
                "-" if g is None else int(g["goid"]),
                c.lo, c.hi,
                c.used() or "", owners.get(c.address, "")))


class GreenletBacktrace(gdb.Command):
    """Prints backtraces of suspended coroutines, by their numbers in `greenlets`."""

    def __init__(self):
        super().__init__("greenlet-bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        live = coroutines()
        wanted = gdb.string_to_argv(argument)
        if wanted == ["all"]:
            wanted = [n for n, c in enumerate(live, 1) if not c.running()]
        if not wanted:
            raise gdb.GdbError("which? greenlet-bt N..., or all")
        for n in wanted:
            if not str(n).isdigit() or not 1 <= int(n) <= len(live):
                raise gdb.GdbError("no greenlet %s: see greenlets" % n)
            c = live[int(n) - 1]
            print("greenlet %s:" % n)
            if c.running():
                print("it is in place: see backtrace in its thread" if c.kept()
                      else "it is running: see backtrace in its thread")
            else:
                print(ELSEWHERE.of(c))


Greenlets()
GreenletBacktrace()
