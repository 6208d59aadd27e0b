package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// sourcesWord stands for every kind of source in the command get.
const sourcesWord = "sources"

// query is what the command get is asked for.
type query struct {
	// word names the kinds in messages: releases, sources.
	word string
	// kinds of the API that are listed.
	kinds []string
	// names of the objects; empty for all of them.
	names []string
	// all is set for all namespaces; namespace counts otherwise.
	all       bool
	namespace string
	selector  labels.Selector
	// phases of the objects; empty for all of them.
	phases []view.Phase
}

// getFlags are the flags of the command get.
type getFlags struct {
	all      bool
	watch    bool
	selector string
	statuses []string
}

func newGetCommand(a *app) *cobra.Command {
	f := &getFlags{}
	cmd := &cobra.Command{
		Use:   "get KIND [NAME...]",
		Short: "List objects of a kind, their phase and what they run",
		Long: `List objects of a kind, their phase and what they run: releases, kustomizations, sources of all kinds, or one kind of source.
Of pipelines it lists the stages. With NAME it lists only the objects that are named.

--status lists only the objects in these phases: ` + strings.Join(phaseWords(), ", ") + `.
--watch prints a line for each object that changes, until it is interrupted. Without -A it watches one namespace.

Kinds: ` + sourcesWord + `, and` + kindTable(),
		Example: `  fairlead get releases -n web
  fairlead get releases -A --status failed,stalled
  fairlead get releases shop -n web --watch
  fairlead get kustomizations -A -o wide
  fairlead get helmrepositories -n web -l team=shop
  fairlead get pipelines -n web --watch
  fairlead get promotions -n web -l team=shop
  fairlead get sources -A -o json | jq -r '.items[] | select(.ready | not) | .name'`,
		ValidArgsFunction: a.completeListed,
	}
	a.addClusterFlags(cmd)
	cmd.Flags().BoolVarP(&f.all, "all-namespaces", "A", false, "list all namespaces, whatever --namespace says")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "after the list, print a line for each object that changes")
	cmd.Flags().StringVarP(&f.selector, "selector", "l", "", "list only objects with these labels, for example team=shop,tier!=test")
	cmd.Flags().StringSliceVar(&f.statuses, "status", nil, "list only objects in these phases, for example failed,stalled")
	out := addOutputFlag(cmd, outputWide, outputName, outputJSON, outputYAML)
	addHeadersFlag(cmd, out)
	// The only error is a flag that does not exist, and it was added above.
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(phaseWords(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if word := promotionList(args); word != "" {
			listed, err := f.promotionQuery(cmd, word, args, out)
			if err != nil {
				return err
			}
			return a.listPromotions(cmd.Context(), listed, f.watch)
		}

		q, err := f.query(cmd, args)
		if err != nil {
			return err
		}
		if f.watch && out.machine() {
			return usagef(cmd, "--watch prints a table; it cannot be combined with -o %s", out.format)
		}

		c, err := a.open()
		if err != nil {
			return err
		}
		q.namespace = c.namespace
		if f.watch {
			return a.watchList(cmd.Context(), c, q, out)
		}
		return a.list(cmd.Context(), c, q, out)
	}
	return cmd
}

// listedPhases are the phases that an object in a list can have.
var listedPhases = []view.Phase{
	view.Pending, view.Waiting, view.Progressing, view.Ready, view.Failed, view.Stalled, view.Held, view.Suspended,
	view.Deleting, view.Unknown,
}

func phaseWords() []string {
	words := make([]string, 0, len(listedPhases))
	for _, phase := range listedPhases {
		words = append(words, strings.ToLower(string(phase)))
	}
	return words
}

// query reads the command line, except for the namespace.
func (f *getFlags) query(cmd *cobra.Command, args []string) (query, error) {
	args = splitKindAndName(args)
	if len(args) == 0 {
		return query{}, usagef(cmd, "expected KIND, for example releases, kustomizations or sources")
	}

	q := query{names: args[1:], all: f.all, selector: labels.Everything()}
	if slices.Contains(q.names, "") {
		return q, usagef(cmd, "a NAME is empty")
	}

	if strings.EqualFold(args[0], sourcesWord) || strings.EqualFold(args[0], "source") {
		q.word = sourcesWord
		q.kinds = view.SourceKinds
	} else {
		k, known := kindByWord(args[0])
		if !known {
			return q, unknownList(cmd, args[0])
		}

		q.word, q.kinds = k.plural(), []string{k.name}
	}

	if f.selector != "" {
		selector, err := labels.Parse(f.selector)
		if err != nil {
			return q, usagef(cmd, "--selector %q: %s", f.selector, err)
		}

		q.selector = selector
	}

	for _, word := range f.statuses {
		i := slices.Index(phaseWords(), strings.ToLower(strings.TrimSpace(word)))
		if i < 0 {
			return q, usagef(cmd, "unknown phase %q; phases: %s", word, strings.Join(phaseWords(), ", "))
		}

		q.phases = append(q.phases, listedPhases[i])
	}

	return q, nil
}

// listedKinds are the words for what can be listed.
func listedKinds() []string {
	words := make([]string, 0, 1+len(kinds))
	words = append(words, sourcesWord)
	for _, k := range kinds {
		words = append(words, k.plural())
	}
	return words
}

// unknownList says which kinds can be listed.
func unknownList(cmd *cobra.Command, word string) error {
	plurals := listedKinds()
	if near := view.Similar(strings.ToLower(word), plurals, maxSuggestedKinds); len(near) > 0 {
		return usagef(cmd, "unknown kind %q; did you mean %s?", word, strings.Join(near, " or "))
	}
	return usagef(cmd, "unknown kind %q; kinds: %s, %s", word, sourcesWord, kindList())
}

// completeListed completes the kinds that get lists, and the names of objects.
func (a *app) completeListed(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return withPrefix(listedKinds(), toComplete), cobra.ShellCompDirectiveNoFileComp
	}
	k, known := kindByWord(args[0])
	if !known {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := slices.DeleteFunc(a.names(cmd.Context(), k), func(name string) bool { return slices.Contains(args[1:], name) })
	return withPrefix(names, toComplete), cobra.ShellCompDirectiveNoFileComp
}

// list prints the objects once.
func (a *app) list(ctx context.Context, c *connection, q query, out *output) error {
	rows, err := read(ctx, view.NewReader(c.client), q)
	if err != nil {
		return err
	}
	if err := a.allNamed(ctx, q, rows); err != nil {
		return err
	}

	rows = q.filter(rows)
	if out.machine() {
		return out.write(a.out, view.List[row]{Items: rows}, namesOf(rows)...)
	}

	if len(rows) == 0 {
		a.nothing(c, q)
		return nil
	}

	t := a.table(out, columnsOf(q, out)...)
	for _, r := range rows {
		t.add(a.cellsOf(r, out)...)
	}

	return t.write(a.out, a.tableWidth(out))
}

// row is a row of the read model: a ReleaseRow, a KustomizationRow or a SourceRow.
type row any

// read lists the rows of the kinds, sorted.
func read(ctx context.Context, reader view.Reader, q query) ([]row, error) {
	namespace := q.namespace
	if q.all {
		namespace = ""
	}

	var options []client.ListOption
	if !q.selector.Empty() {
		options = append(options, client.MatchingLabelsSelector{Selector: q.selector})
	}

	switch q.kinds[0] {
	case v1beta1.HelmReleaseKind:
		found, err := reader.Releases(ctx, namespace, options...)
		return rowsOf(found.Items), err
	case v1beta1.KustomizationKind:
		found, err := reader.Kustomizations(ctx, namespace, options...)
		return rowsOf(found.Items), err
	default:
		found, err := reader.Sources(ctx, q.kinds, namespace, options...)
		return rowsOf(found.Items), err
	}
}

// rowsOf is never nil, so that an empty list is [] and not null.
func rowsOf[T any](items []T) []row {
	rows := make([]row, 0, len(items))
	for _, item := range items {
		rows = append(rows, item)
	}
	return rows
}

// identify tells a row apart from others, and says in which phase its object is.
func identify(r row) (view.Reference, view.Phase) {
	switch v := r.(type) {
	case view.ReleaseRow:
		return view.Reference{Kind: v1beta1.HelmReleaseKind, Namespace: v.Namespace, Name: v.Name}, v.Phase
	case view.KustomizationRow:
		return view.Reference{Kind: v1beta1.KustomizationKind, Namespace: v.Namespace, Name: v.Name}, v.Phase
	case view.SourceRow:
		return view.Reference{Kind: v.Kind, Namespace: v.Namespace, Name: v.Name}, v.Phase
	}
	return view.Reference{}, view.Unknown
}

// namesOf are the objects of rows.
func namesOf(rows []row) []printedName {
	names := make([]printedName, 0, len(rows))
	for _, r := range rows {
		object, _ := identify(r)
		names = append(names, nameOf(object.Kind, object.Name))
	}
	return names
}

// nameOf names an object of this API.
func nameOf(kind, name string) printedName {
	return printedName{group: v1beta1.GroupVersion.Group, kind: kind, name: name}
}

// matches reports whether the object of a row is asked for.
func (q query) matches(r row) bool {
	object, phase := identify(r)
	named := len(q.names) == 0 || slices.Contains(q.names, object.Name)
	return named && (len(q.phases) == 0 || slices.Contains(q.phases, phase))
}

func (q query) filter(rows []row) []row {
	return slices.DeleteFunc(rows, func(r row) bool { return !q.matches(r) })
}

// allNamed is an error when an object that was named does not exist. A phase that does not match is none.
func (a *app) allNamed(ctx context.Context, q query, rows []row) error {
	for _, name := range q.names {
		if slices.ContainsFunc(rows, func(r row) bool { object, _ := identify(r); return object.Name == name }) {
			continue
		}

		k, one := kindByName(q.kinds[0])
		switch {
		case !q.selector.Empty():
			return fmt.Errorf("no %s named %q with labels %s", q.word, name, q.selector)
		case q.all:
			return fmt.Errorf("no %s named %q in any namespace", q.word, name)
		case one && len(q.kinds) == 1:
			key := types.NamespacedName{Namespace: q.namespace, Name: name}
			return a.notFound(ctx, k, key, missingObject(k, name))
		}

		return fmt.Errorf("no %s named %q in namespace %s", q.word, name, q.namespace)
	}
	return nil
}

// nothing says where there was nothing. It is a note, not data, and no failure.
func (a *app) nothing(c *connection, q query) {
	what := q.word
	if !q.selector.Empty() {
		what += " with labels " + q.selector.String()
	}

	if len(q.phases) > 0 {
		words := make([]string, 0, len(q.phases))
		for _, phase := range q.phases {
			words = append(words, string(phase))
		}

		what += " in phase " + strings.Join(words, " or ")
	}

	if q.all {
		a.note("no %s in any namespace (%s)", what, c.describe())
		return
	}

	a.note("no %s in namespace %s (%s); -A looks in all namespaces", what, q.namespace, c.describe())
}
