package chart

import (
	"slices"
	"strings"
	"text/template/parse"
)

var (
	// carriers are functions that hand on what they get, without reading it.
	carriers = []string{
		"include", "tpl", "dict", "set", "list", "tuple", "append", "prepend", "deepCopy", "mustDeepCopy", "merge",
		"mergeOverwrite", "mustMerge", "mustMergeOverwrite", "default", "ternary", "and", "or", "not", "eq", "ne", "empty",
		"coalesce", "required", "kindIs", "kindOf", "typeIs", "typeOf", "typeIsLike",
	}
	// lookups are functions that read one key of a map, by position of the map among their arguments.
	lookups = map[string]int{"index": 1, "get": 1, "hasKey": 1}
	// makers are functions that make maps, for which "Values" is a key that they set.
	makers = []string{"dict", "set"}
)

// command reads one command. piped is set when it gets all that the template was given from the command before.
func (w *walk) command(cmd *parse.CommandNode, piped bool) {
	name := ""
	if identifier, is := cmd.Args[0].(*parse.IdentifierNode); is {
		name = identifier.Ident
	}

	w.calls(name, cmd, piped)
	if w.lookup(name, cmd) {
		return
	}

	for i, arg := range cmd.Args {
		if i > 0 && slices.Contains(makers, name) && handsOn(cmd.Args[i-1], arg) {
			continue
		}

		w.argument(name, arg)
	}
}

// handsOn reports whether a map gets all values under their own name. What reads them there reads .Values again.
func handsOn(key, value parse.Node) bool {
	text, is := key.(*parse.StringNode)
	path, isValues := valuesPath(value)
	return is && text.Text == "Values" && isValues && len(path) == 0
}

// calls notes what a function does with all that the template was given.
func (w *walk) calls(name string, cmd *parse.CommandNode, piped bool) {
	root := piped || name != "" && slices.ContainsFunc(cmd.Args[1:], w.isRootNode)
	if name == "tpl" {
		w.reader.usesTpl = true
	}
	if !root {
		return
	}

	switch {
	case name == "include" && len(cmd.Args) > 1:
		if text, is := cmd.Args[1].(*parse.StringNode); is {
			w.reader.given[text.Text] = true
		}
	case name == "index" || name == "get" || name == "dig" || name == "hasKey" || !slices.Contains(carriers, name):
		w.dump()
	}
}

// lookup reads a command like index .Values "a" "b", and reports whether it was one.
func (w *walk) lookup(name string, cmd *parse.CommandNode) bool {
	at, is := lookups[name]
	if !is || len(cmd.Args) <= at+1 {
		return false
	}

	path, isValues := valuesPath(cmd.Args[at])
	if !isValues {
		return false
	}

	for _, arg := range cmd.Args[at+1:] {
		text, is := arg.(*parse.StringNode)
		if !is || text.Text == "" {
			break
		}

		path = append(slices.Clone(path), text.Text)
	}

	w.add(cmd.Args[at], path)
	for _, arg := range cmd.Args[at+1:] {
		w.argument(name, arg)
	}

	return true
}

// argument reads what stands anywhere in a command.
func (w *walk) argument(function string, node parse.Node) {
	switch n := node.(type) {
	case *parse.FieldNode, *parse.VariableNode:
		if path, is := valuesPath(n); is {
			w.add(n, path)
		}
	case *parse.ChainNode:
		path, is := valuesPath(n)
		if is {
			w.add(n, path)
		}
		if _, within := valuesPath(n.Node); !is || !within {
			w.argument(function, n.Node)
		}
	case *parse.PipeNode:
		w.pipe(n)
	case *parse.StringNode:
		w.text(function, n.Text)
	}
}

// text reads a text in a template: a key that leads to the values, or a template in itself.
func (w *walk) text(function, text string) {
	if text == "Values" && !slices.Contains(makers, function) {
		w.reader.unreadable()
	}
	w.reader.text(text)
}

// add notes that a path is read. Where the values are not those of the template itself, as in .root.Values.a or
// .Subcharts.db.Values.a, they may be those of any chart.
func (w *walk) add(node parse.Node, path []string) {
	if isOwn(node) {
		w.into.add(path)
		return
	}
	w.reader.shared.add(path)
}

// isOwn reports whether a node is .Values or $.Values, or below it.
func isOwn(node parse.Node) bool {
	switch n := node.(type) {
	case *parse.FieldNode:
		return n.Ident[0] == "Values"
	case *parse.VariableNode:
		return len(n.Ident) > 1 && n.Ident[0] == "$" && n.Ident[1] == "Values"
	case *parse.PipeNode:
		return len(n.Cmds) == 1 && len(n.Cmds[0].Args) == 1 && isOwn(n.Cmds[0].Args[0])
	}
	return false
}

// valuesPath returns the path below .Values that a node reads. It is false for a node that has no Values in it.
func valuesPath(node parse.Node) ([]string, bool) {
	switch n := node.(type) {
	case *parse.FieldNode:
		return after(n.Ident)
	case *parse.VariableNode:
		return after(n.Ident[1:])
	case *parse.ChainNode:
		if path, is := after(n.Field); is {
			return path, true
		}
		if path, is := valuesPath(n.Node); is {
			return append(slices.Clone(path), n.Field...), true
		}
	case *parse.PipeNode:
		if len(n.Cmds) == 1 && len(n.Cmds[0].Args) == 1 {
			return valuesPath(n.Cmds[0].Args[0])
		}
	}
	return nil, false
}

// after returns what comes after Values.
func after(keys []string) ([]string, bool) {
	i := slices.Index(keys, "Values")
	if i < 0 {
		return nil, false
	}
	return keys[i+1:], true
}

// looksLikeTemplate reports whether a text may be rendered with tpl, and read values.
func looksLikeTemplate(text string) bool {
	return strings.Contains(text, "{{") && strings.Contains(text, "Values")
}
