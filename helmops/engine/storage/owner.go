package storage

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/helmops/plan"
)

// OwnerAnnotation holds, as JSON, the HelmRelease that owns the Helm release. It is kept apart from Annotation,
// because the record of another Helm client can have an owner, too.
const OwnerAnnotation = "fairlead.dev/owner"

// maxOwner bounds the annotation: two names of Kubernetes and a UID.
const maxOwner = 1024

// ownerNote is the annotation of the owner.
type ownerNote struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	UID       types.UID `json:"uid"`
}

// parseOwner returns the zero owner for what names none.
func parseOwner(text string) plan.Owner {
	if text == "" || len(text) > maxOwner {
		return plan.Owner{}
	}
	var o ownerNote
	if err := json.Unmarshal([]byte(text), &o); err != nil || o.Namespace == "" || o.Name == "" {
		return plan.Owner{}
	}
	return plan.Owner(o)
}

func ownerText(owner plan.Owner) string {
	text, _ := json.Marshal(ownerNote(owner)) // strings
	return string(text)
}

// annotate sets the annotations of a record that is about to be written. A zero owner sets none.
func annotate(to metav1.Object, about noted, owner plan.Owner) {
	annotations := map[string]string{Annotation: about.text()}
	if !owner.IsZero() {
		annotations[OwnerAnnotation] = ownerText(owner)
	}
	to.SetAnnotations(annotations)
}

// Claim writes an owner into the newest revision of a release, and nothing else of it. It fails with ErrModified when
// the record is no longer the one that expected was read from. It costs two requests, because the right to patch
// Secrets is none that release records need.
func (s *Store) Claim(ctx context.Context, writer Reader, key Key, expected plan.Record, owner plan.Owner) error {
	items, err := s.look(ctx, writer, key)
	if err != nil {
		return err
	}

	if len(items) == 0 || items[0].record.Version != expected.Version || items[0].record.Digest != expected.Digest ||
		items[0].record.Owner != expected.Owner {
		return fmt.Errorf("claiming release %s in namespace %s: %w", key.Name, key.StorageNamespace, ErrModified)
	}

	newest := items[0]
	secret, err := writer.Secrets.Get(ctx, newest.secret, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading release record %s: %w", newest.fullName(), err)
	}

	if secret.UID != newest.uid || secret.ResourceVersion != newest.resourceVersion {
		s.index.doubt(key.of())
		return fmt.Errorf("claiming release record %s: %w", newest.fullName(), ErrModified)
	}

	metav1.SetMetaDataAnnotation(&secret.ObjectMeta, OwnerAnnotation, ownerText(owner))
	defer s.writing(newest.key())()
	stored, err := writer.Secrets.Update(ctx, secret, metav1.UpdateOptions{})
	if err != nil {
		s.index.doubt(key.of())
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			err = ErrModified
		}

		return fmt.Errorf("claiming release record %s: %w", newest.fullName(), err)
	}

	claimed := &item{entry: *newEntry(stored), full: stored}
	if _, err := s.load(ctx, writer, claimed); err != nil { // what is remembered saves the next look a request
		return err
	}

	if s.watched() {
		e := claimed.entry
		s.index.wrote(&e)
	}

	return nil
}
