package storage

import (
	"context"
	"fmt"
	"slices"

	"helm.sh/helm/v3/pkg/storage/driver"

	"fairlead.dev/fairlead/helmops/plan"
)

// TakenError says that a record cannot be created, because there is a Secret of that name that is no record of the
// release. Trying again helps once that Secret is gone.
type TakenError struct {
	// Record is the name of the Secret, with its namespace.
	Record string
	// Name and Namespace of the Helm release that has it. Namespace is empty when it is no record of a release of that
	// name.
	Name, Namespace string
}

// Error implements error.
func (e *TakenError) Error() string {
	if e.Namespace == "" {
		return fmt.Sprintf("Secret %s exists, and is no record of Helm release %s; delete it, or use another release "+
			"name or storage namespace", e.Record, e.Name)
	}
	return fmt.Sprintf("release record %s belongs to Helm release %s/%s, which has the same name; use another release "+
		"name or storage namespace", e.Record, e.Namespace, e.Name)
}

// Namesake returns the Helm release that has the same name in another namespace and its records in the same storage
// namespace, by the newest of them; nil when there is none.
func (s *Store) Namesake(ctx context.Context, reader Reader, key Key) (*plan.Namesake, error) {
	_, others, err := s.lookAround(ctx, reader, key)
	if err != nil || len(others) == 0 {
		return nil, err
	}
	newest := others[0].record
	return &plan.Namesake{Namespace: newest.Namespace, Owner: newest.Owner}, nil
}

// exists explains why a record could not be created: another client was faster to begin an action on the release, or
// else the Secret belongs to something else.
func (d *Driver) exists(name string) error {
	own, others, err := d.store.lookAround(d.ctx, d.reader, d.key)
	has := func(i *item) bool { return i.secret == name }
	if err != nil || slices.ContainsFunc(own, has) {
		return driver.ErrReleaseExists
	}

	taken := &TakenError{Record: d.key.StorageNamespace + "/" + name, Name: d.key.Name}
	if i := slices.IndexFunc(others, has); i >= 0 {
		taken.Namespace = others[i].record.Namespace
	}

	return taken
}
