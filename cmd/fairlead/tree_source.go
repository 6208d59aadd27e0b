package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/view"
)

// sourceTree shows what uses a source. The error is errNotReady when something that uses it is not Ready.
func (a *app) sourceTree(ctx context.Context, c *connection, k kind, key types.NamespacedName, out *output) error {
	reader := view.NewReader(c.client)
	if _, err := reader.Object(ctx, k.name, key); err != nil {
		return a.notFound(ctx, k, key, err)
	}

	tree := reader.SourceTree(ctx, view.Reference{Kind: k.name, Namespace: key.Namespace, Name: key.Name})
	var err error
	if out.machine() {
		err = out.write(a.out, tree, userNames(tree.Users)...)
	} else {
		err = a.printSourceTree(k, key, tree, out)
	}

	if err == nil && tree.Ready < tree.Total {
		err = errNotReady
	}

	return err
}

func (a *app) printSourceTree(k kind, key types.NamespacedName, tree view.SourceTree, out *output) error {
	for _, note := range tree.Notes {
		a.note("%s", oneLine(note))
	}

	if tree.Total == 0 {
		a.note("nothing uses %s", k.describe(key))
		return nil
	}

	t := a.table(out, column{"OBJECT", false}, column{"PHASE", false}, column{"MESSAGE", false})
	for _, user := range tree.Users {
		a.addUser(t, user, key.Namespace, "", out)
		a.addUsersOf(t, user, key.Namespace, "", out)
	}

	if err := t.write(a.out, a.tableWidth(out)); err != nil {
		return err
	}

	_, err := fmt.Fprintf(a.out, "\n%d of %s ready\n", tree.Ready, plural(tree.Total, "object"))
	return err
}

// addUsersOf adds the rows of what uses a user, and of what uses that. indent is what stands before their branches.
func (a *app) addUsersOf(t *table, user view.User, home, indent string, out *output) {
	for i, below := range user.Users {
		branch, further := "├─ ", "│  "
		if i == len(user.Users)-1 {
			branch, further = "└─ ", "   "
		}

		a.addUser(t, below, home, indent+branch, out)
		a.addUsersOf(t, below, home, indent+further, out)
	}
}

// addUser adds the row of an object that uses a source.
func (a *app) addUser(t *table, u view.User, home, branch string, out *output) {
	name := oneLine(objectText(u.Kind, u.Namespace, u.Name, home))
	message := oneLine(a.brief(u.Message, u.Namespace, u.Name, out))
	t.rows = append(t.rows, []string{branch + name, string(u.Phase), orNone(message)})
}

// userNames are the names of objects and of what uses them, in the order of the table.
func userNames(users []view.User) []printedName {
	names := make([]printedName, 0, len(users))
	for _, u := range users {
		names = append(names, nameOf(u.Kind, u.Name))
		names = append(names, userNames(u.Users)...)
	}
	return names
}
