// Package keep decides which objects stay in the cluster when their manifest is gone, because data of users would
// be deleted with them: a PersistentVolumeClaim, a CustomResourceDefinition with custom resources, a Namespace with
// objects of others.
//
//	Look: what is in the object ─► Found ─► Decide ─► Verdict ─┬─ delete it
//	                                                           └─ keep it: Release its owner labels
package keep

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds that are looked at before one of their objects is deleted.
var (
	Claim      = schema.GroupKind{Kind: "PersistentVolumeClaim"}
	Namespace  = schema.GroupKind{Kind: "Namespace"}
	Definition = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
)

// maxNamed is how many objects a reason names.
const maxNamed = 3

// Holds reports whether data of users may be deleted with an object of a kind.
func Holds(kind schema.GroupKind) bool {
	return kind == Claim || kind == Namespace || kind == Definition
}

// Found is what is known of an object that is about to be deleted.
type Found struct {
	// Wanted says who still wants the object, or has objects in it: "the chart has it in its crds directory". Then it
	// is never deleted.
	Wanted string
	// Claims are PersistentVolumeClaims in a Namespace, as namespace/name.
	Claims []string
	// Objects are the first objects in it, and Count is how many there are at least.
	Objects []string
	Count   int
	// Unseen are resources that the identity could not list, with the reason.
	Unseen []string
}

// Verdict is whether an object is kept.
type Verdict struct {
	Keep bool
	// Reason of keeping the object, for people; it has no subject: "has 3 objects: things a/b, ...".
	Reason string
}

// Asks reports whether the user asked for the deletion of a kind.
func Asks(asked []string, kind schema.GroupKind) bool {
	return Holds(kind) && slices.Contains(asked, kind.Kind)
}

// Decide says whether an object that its owner no longer wants is kept. asked are the kinds that the user wants to
// be deleted in any case. With a Namespace go its PersistentVolumeClaims: they have to be asked for as well. What
// could not be seen is kept.
func Decide(kind schema.GroupKind, asked []string, f Found) Verdict {
	switch {
	case !Holds(kind):
		return Verdict{}
	case f.Wanted != "":
		return Verdict{Keep: true, Reason: f.Wanted}
	case kind == Claim && !Asks(asked, Claim):
		return Verdict{Keep: true, Reason: "holds data"}
	case kind == Namespace && len(f.Claims) > 0 && !Asks(asked, Claim):
		return Verdict{Keep: true, Reason: "has " + counted(len(f.Claims), "PersistentVolumeClaim") + ": " + first(f.Claims)}
	case Asks(asked, kind):
		return Verdict{}
	case f.Count > 0:
		return Verdict{Keep: true, Reason: "has " + counted(f.Count, "object") + named(f.Objects)}
	case len(f.Unseen) > 0:
		return Verdict{Keep: true, Reason: "may have objects that could not be listed: " + first(f.Unseen)}
	default:
		return Verdict{}
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func named(objects []string) string {
	if len(objects) == 0 {
		return ""
	}
	return ": " + first(objects)
}

// first names the first few, and says that there are more.
func first(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:maxNamed], ", ") + ", ..."
}
