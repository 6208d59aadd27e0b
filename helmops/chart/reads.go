package chart

import (
	"maps"
	"slices"
	"text/template/parse"
)

// Bounds of what is looked at to find out which values a chart reads. Where there is more, it counts as reading all.
const (
	// maxRead is the sum of all templates, and files and values that may be templates, in bytes.
	maxRead = 10 << 20
	// maxTemplate bounds one template, in bytes. With it the depth of its blocks is bounded, too.
	maxTemplate = 1 << 20
	// maxNesting is how deep parentheses are within each other in one template.
	maxNesting = 200
)

// reads are the values that templates read, as a tree of keys. The zero value reads nothing.
type reads struct {
	// all is set when what is here is read with all that is below, or when it is not known that some of it is not.
	all   bool
	below map[string]*reads
}

// add notes that a path is read with all that is below.
func (r *reads) add(path []string) {
	if len(path) == 0 || slices.Contains(valuesMethods, path[0]) {
		r.all = true
		return
	}

	at := r
	for _, key := range path {
		if at.below == nil {
			at.below = map[string]*reads{}
		}
		if at.below[key] == nil {
			at.below[key] = &reads{}
		}

		at = at.below[key]
	}

	at.all = true
}

// valuesMethods are methods of .Values in a template, which read whatever they are asked for.
var valuesMethods = []string{"AsMap", "Encode", "PathValue", "Table", "YAML"}

// knows reports whether a path is read: something above or below it is, or it is itself.
func (r *reads) knows(path []string) bool {
	at := r
	for _, key := range path {
		if at.all {
			return true
		}
		if at = at.below[key]; at == nil {
			return false
		}
	}
	return true
}

// next are the keys below a path that are read.
func (r *reads) next(path []string) []string {
	at := r
	for _, key := range path {
		if at = at.below[key]; at == nil {
			return nil
		}
	}
	return slices.Collect(maps.Keys(at.below))
}

// reader finds out what the templates of one chart read.
type reader struct {
	// own is what the chart itself reads; shared is what named templates read, which any chart of the tree may include,
	// with the values of its own.
	own, shared *reads
	// usesTpl is set when templates render texts that are values or files.
	usesTpl bool
	// dumps are the named templates that print all that they are given, and given those that get all that a chart has.
	dumps, given map[string]bool
}

// template reads one template. A text that cannot be parsed may read anything.
func (r *reader) template(name, text string) {
	if len(text) > maxTemplate || nesting(text) > maxNesting {
		r.unreadable()
		return
	}

	trees := map[string]*parse.Tree{}
	tree := parse.New(name)
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(text, "", "", trees); err != nil {
		r.unreadable()
		return
	}

	for defined, body := range trees {
		if body != tree {
			w := walk{reader: r, into: r.shared, defined: defined, top: true, roots: map[string]bool{"$": true}}
			w.list(body.Root)
		}
	}

	w := walk{reader: r, into: r.own, top: true, roots: map[string]bool{"$": true}}
	w.list(tree.Root)
}

// unreadable notes that a template may read anything.
func (r *reader) unreadable() {
	r.own.all = true
	r.shared.all = true
}

// text reads a text that a template may render.
func (r *reader) text(text string) {
	if looksLikeTemplate(text) {
		r.template("text", text)
	}
}

// nesting is how deep parentheses are within each other. The parser goes as deep, and would end the process.
func nesting(text string) int {
	deepest := 0
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
			deepest = max(deepest, depth)
		case ')':
			depth = max(0, depth-1)
		}
	}

	return deepest
}

// walk goes through one template.
type walk struct {
	reader *reader
	into   *reads
	// defined is the name of a named template, empty for a file.
	defined string
	// top is set while the dot is what the template was given.
	top bool
	// roots are the variables that are what the template was given.
	roots map[string]bool
}

func (w *walk) list(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		w.node(node)
	}
}

func (w *walk) node(node parse.Node) {
	switch n := node.(type) {
	case *parse.ActionNode:
		if w.isRoot(n.Pipe) {
			w.whole(n.Pipe)
		}

		w.pipe(n.Pipe)
	case *parse.IfNode:
		w.branch(&n.BranchNode, w.top)
	case *parse.WithNode:
		w.branch(&n.BranchNode, w.isRoot(n.Pipe))
	case *parse.RangeNode:
		if w.isRoot(n.Pipe) {
			w.dump()
		}

		w.branch(&n.BranchNode, false)
	case *parse.TemplateNode:
		if w.isRoot(n.Pipe) {
			w.reader.given[n.Name] = true
		}

		w.pipe(n.Pipe)
	}
}

// branch reads a block, in which the dot is the one before when same is set.
func (w *walk) branch(b *parse.BranchNode, same bool) {
	if w.isRoot(b.Pipe) {
		w.keep(b.Pipe.Decl)
	}

	w.pipe(b.Pipe)
	inner := *w
	inner.top = same
	inner.list(b.List)
	w.list(b.ElseList)
}

// isRoot reports whether a pipeline is just what the template was given.
func (w *walk) isRoot(pipe *parse.PipeNode) bool {
	return pipe != nil && len(pipe.Cmds) == 1 && len(pipe.Cmds[0].Args) == 1 && w.isRootNode(pipe.Cmds[0].Args[0])
}

func (w *walk) isRootNode(node parse.Node) bool {
	switch n := node.(type) {
	case *parse.DotNode:
		return w.top
	case *parse.VariableNode:
		return len(n.Ident) == 1 && w.roots[n.Ident[0]]
	case *parse.PipeNode:
		return w.isRoot(n)
	}
	return false
}

// whole reads an action that is just what the template was given: it is printed, or a variable gets it.
func (w *walk) whole(pipe *parse.PipeNode) {
	if len(pipe.Decl) == 0 {
		w.dump()
	}

	w.keep(pipe.Decl)
}

// keep notes that variables are what the template was given.
func (w *walk) keep(variables []*parse.VariableNode) {
	for _, variable := range variables {
		w.roots[variable.Ident[0]] = true
	}
}

// dump notes that all of what the template was given is printed.
func (w *walk) dump() {
	if w.defined != "" {
		w.reader.dumps[w.defined] = true
		return
	}
	w.into.all = true
}

func (w *walk) pipe(pipe *parse.PipeNode) {
	if pipe == nil {
		return
	}
	for i, cmd := range pipe.Cmds {
		piped := i > 0 && len(pipe.Cmds[i-1].Args) == 1 && w.isRootNode(pipe.Cmds[i-1].Args[0])
		w.command(cmd, piped)
	}
}
