package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/view"
)

// selectionFlags choose the objects that a command changes.
type selectionFlags struct {
	all        bool
	everywhere bool
	selector   string
}

func addSelectionFlags(cmd *cobra.Command) *selectionFlags {
	f := &selectionFlags{}
	cmd.Flags().BoolVar(&f.all, "all", false, "all objects of the kind in the namespace")
	cmd.Flags().BoolVarP(&f.everywhere, "all-namespaces", "A", false, "with --all or --selector: in all namespaces")
	cmd.Flags().StringVarP(&f.selector, "selector", "l", "", "all objects of the kind with these labels, as team=shop")
	return f
}

// selection is which objects of a kind a command changes: those that are named, or those with the labels.
type selection struct {
	kind       kind
	names      []string
	everywhere bool
	labels     labels.Selector
}

// read reads the arguments KIND [NAME...] or KIND/NAME of a kind that is suspended.
func (f *selectionFlags) read(cmd *cobra.Command, args []string) (selection, error) {
	return f.readOf(cmd, args, suspendedWords)
}

// readOf reads the arguments KIND [NAME...] or KIND/NAME of one of the kinds.
func (f *selectionFlags) readOf(cmd *cobra.Command, args, only []string) (selection, error) {
	args = splitKindAndName(args)
	if len(args) == 0 {
		return selection{}, usagef(cmd, "expected KIND and NAME, got 0 arguments")
	}

	k, known := kindByWord(args[0])
	if !known {
		return selection{}, unknownKind(cmd, args, only)
	}
	if !slices.Contains(only, k.word) {
		return selection{}, wrongKind(cmd, k, only, args[1:])
	}

	s := selection{kind: k, everywhere: f.everywhere, labels: labels.Everything()}
	for _, name := range args[1:] {
		if !slices.Contains(s.names, name) {
			s.names = append(s.names, name)
		}
	}

	chosen := f.all || f.selector != ""
	switch {
	case slices.Contains(s.names, ""):
		return s, usagef(cmd, "a NAME is empty")
	case len(s.names) > 0 && (chosen || f.everywhere):
		return s, usagef(cmd, "--all, --selector and -A cannot be combined with names")
	case len(s.names) == 0 && !chosen:
		return s, usagef(cmd, "name the %s, or choose them with --all or --selector", k.plural())
	}

	if f.selector == "" {
		return s, nil
	}

	var err error
	if s.labels, err = labels.Parse(f.selector); err != nil {
		return s, usagef(cmd, "--selector %q: %s", f.selector, err)
	}

	return s, nil
}

// selected reads the objects. A name that does not exist is an error, nothing to be chosen by labels is none.
func (a *app) selected(ctx context.Context, c *connection, s selection) ([]view.Object, error) {
	reader := view.NewReader(c.client)
	if len(s.names) == 0 {
		namespace := c.namespace
		if s.everywhere {
			namespace = ""
		}

		return reader.Objects(ctx, s.kind.name, namespace, client.MatchingLabelsSelector{Selector: s.labels})
	}

	objects := make([]view.Object, 0, len(s.names))
	for _, name := range s.names {
		key := types.NamespacedName{Namespace: c.namespace, Name: name}
		object, err := reader.Object(ctx, s.kind.name, key)
		if err != nil {
			return nil, a.notFound(ctx, s.kind, key, err)
		}

		objects = append(objects, object)
	}

	return objects, nil
}

// nothingSelected says where there was nothing to choose. The adjective says what the objects would be.
func (a *app) nothingSelected(c *connection, s selection, adjective string) {
	a.nothing(c, query{
		word: adjective + s.kind.plural(), all: s.everywhere, namespace: c.namespace, selector: s.labels,
	})
}

// each does something with every object, also after a failure with one of them. With several objects, failures are
// printed where they happen and counted in the error.
func (a *app) each(k kind, objects []view.Object, verb string, do func(view.Object) error) error {
	failed := 0
	for _, object := range objects {
		err := do(object)
		if err == nil {
			continue
		}
		if len(objects) == 1 {
			return err
		}

		failed++
		a.note("%s", explain(err, a.cluster))
	}

	if failed > 0 {
		return fmt.Errorf("%d of %s could not be %s", failed, countOf(k, len(objects)), verb)
	}

	return nil
}

// countOf gives "1 release" or "3 releases".
func countOf(k kind, n int) string {
	if n == 1 {
		return "1 " + k.word
	}
	return fmt.Sprintf("%d %s", n, k.plural())
}

// completeKindAndNames completes the arguments KIND NAME...; the names come from the cluster, each once.
func (a *app) completeKindAndNames(
	cmd *cobra.Command, args []string, toComplete string,
) ([]string, cobra.ShellCompDirective) {
	return a.completeNames(suspendedWords, cmd, args, toComplete)
}

// completeNames completes the arguments KIND NAME... of some kinds.
func (a *app) completeNames(
	only []string, cmd *cobra.Command, args []string, toComplete string,
) ([]string, cobra.ShellCompDirective) {
	complete := a.completeKindAndName(only...)
	found, directive := complete(cmd, args[:min(len(args), 1)], toComplete)
	if len(args) < 2 {
		return found, directive
	}
	return slices.DeleteFunc(found, func(name string) bool { return slices.Contains(args[1:], name) }), directive
}
