// Package warning keeps what the API server warns of when objects are written: deprecated versions, fields without
// effect, what admission policies and webhooks say. It is pure memory, and costs no request.
//
//	answer ─► Texts ─► Written ─┐
//	                            ├─ Notes.Due ─► Object, once for each object and revision
//	unchanged, not sent ────────┘
package warning

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

const (
	// maxTexts is how many warnings about one object are kept, maxBytes how long they may be together, as API servers
	// have it, too.
	maxTexts = 5
	maxBytes = 4096
	// maxText bounds one of them in a message, in bytes.
	maxText = 512
	// maxHeaders is how many warnings of one answer are read.
	maxHeaders = 64
	// maxObjects is how many objects with warnings are kept for each owner.
	maxObjects = 50
	// hidden stands for the warnings about a Secret.
	hidden = "the text is left out, because it may quote the Secret"
)

// Object is an object with what the API server warned of.
type Object struct {
	Ref corev1.ObjectReference
	// Texts are as the API server sent them: they can quote secrets, and are not cut, so that a mask finds these.
	Texts []string
}

// Masked returns a copy with secrets hidden.
func (o Object) Masked(mask func(string) string) Object {
	texts := make([]string, len(o.Texts))
	for i, text := range o.Texts {
		texts[i] = mask(text)
	}
	o.Texts = texts
	return o
}

// String names the object and says what was warned of, in one line of bounded length.
func (o Object) String() string {
	texts := make([]string, len(o.Texts))
	for i, text := range o.Texts {
		texts[i] = line(text)
	}
	return o.Name() + ": " + strings.Join(texts, "; ")
}

// Name is the kind, the namespace and the name.
func (o Object) Name() string {
	if o.Ref.Namespace == "" {
		return o.Ref.Kind + " " + o.Ref.Name
	}
	return o.Ref.Kind + " " + o.Ref.Namespace + "/" + o.Ref.Name
}

// Texts returns the warnings of an answer, each once. With secret, the answer is about a Secret, and nothing of what it
// says is repeated.
func Texts(headers []utilnet.WarningHeader, secret bool) []string {
	var texts []string
	seen := map[string]bool{}
	size := 0
	more := 0
	for _, header := range headers[:min(len(headers), maxHeaders)] {
		text := header.Text
		if strings.TrimSpace(text) == "" || seen[text] {
			continue
		}

		seen[text] = true
		if len(texts) == maxTexts || size+len(text) > maxBytes {
			more++
			continue
		}

		size += len(text)
		texts = append(texts, text)
	}

	if secret && len(seen) > 0 {
		return []string{hidden}
	}
	if more > 0 {
		texts = append(texts, fmt.Sprintf("%d more", more))
	}

	return texts
}

// line returns a text in one line of bounded length.
func line(text string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	plain = strings.Join(strings.Fields(plain), " ")
	if len(plain) > maxText {
		plain = strings.ToValidUTF8(plain[:maxText-len("…")], "") + "…"
	}

	return plain
}

// Written is an object of a set that was applied.
type Written struct {
	Object
	// ID names the object in an inventory, Sum is the digest of what is sent of it.
	ID, Sum string
	// Sent is set when the object was sent in this attempt. One that was not is as it was sent before.
	Sent bool
}

// note is what was warned of when an object was sent last.
type note struct {
	object Object
	sum    string
	// reported is the revision for which it was reported.
	reported string
}

// Notes remember the warnings about the objects of many owners. The zero value is empty. They are safe for concurrent
// use.
type Notes struct {
	mu     sync.Mutex
	owners map[types.NamespacedName]map[string]*note
}

// Due returns the objects to report for a revision of an owner, in the order given. An object is reported once for each
// revision, and again when what is sent of it, or the warnings, change. One that was not sent, because it is
// unchanged, is reported for a new revision with the warnings of before.
func (n *Notes) Due(owner types.NamespacedName, revision string, objects []Written) []Object {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.owners[owner]
	var due []Object //nolint:prealloc // mostly nothing is due
	for _, object := range objects {
		has := known[object.ID]
		switch {
		case object.Sent && len(object.Texts) == 0, !object.Sent && has != nil && has.sum != object.Sum:
			delete(known, object.ID)
			continue
		case object.Sent && (has == nil || !has.same(object)):
			has = &note{object: object.Object, sum: object.Sum}
		case has == nil || has.reported == revision:
			continue
		}

		has.reported = revision
		due = append(due, has.object)
		if known == nil {
			known = n.open(owner)
		}
		if known[object.ID] != nil || len(known) < maxObjects {
			known[object.ID] = has
		}
	}

	if len(known) == 0 {
		delete(n.owners, owner)
	}

	return due
}

// open needs the lock.
func (n *Notes) open(owner types.NamespacedName) map[string]*note {
	if n.owners == nil {
		n.owners = map[types.NamespacedName]map[string]*note{}
	}
	n.owners[owner] = map[string]*note{}
	return n.owners[owner]
}

// same reports whether an object was sent with the same content, and answered with the same warnings.
func (n *note) same(object Written) bool {
	return n.sum == object.Sum && slices.Equal(n.object.Texts, object.Texts)
}

// Forget drops what is known of an owner.
func (n *Notes) Forget(owner types.NamespacedName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.owners, owner)
}
