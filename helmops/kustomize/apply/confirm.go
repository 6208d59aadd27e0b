package apply

import (
	"slices"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
)

// maxUnconfirmed is how many objects a status names whose deletion waits for a user.
const maxUnconfirmed = 32

// awaitConfirmation keeps what would be deleted until a user has confirmed that. It comes after the objects are written
// and before any is deleted. A Namespace or a definition stays as long as anything stays: objects go with it.
func (r *run) awaitConfirmation() {
	var waits []*pruneCandidate
	deletes := func(g *pruneCandidate) bool { return g.there && !g.done && !g.held && !g.kept.Keep }
	for _, g := range r.gone {
		if deletes(g) && (r.ConfirmPrune || g.confirms) {
			waits = append(waits, g)
		}
	}

	if len(waits) == 0 {
		return
	}

	for _, g := range r.gone {
		if deletes(g) && g.forGood && !slices.Contains(waits, g) {
			waits = append(waits, g)
		}
	}

	unconfirmed := unconfirmedOf(waits)
	if unconfirmed.Digest == r.Confirmed {
		return
	}

	for _, g := range waits {
		g.held = true
		r.site.leave(r.Owner, g.ref.ID, g.state) // a change of it by another client causes one more look
	}

	r.result.Unconfirmed = unconfirmed
}

// unconfirmedOf names objects, and identifies the set of them by the digest of their names.
func unconfirmedOf(waits []*pruneCandidate) *v1beta1.UnconfirmedPrune {
	names := make([]string, 0, len(waits))
	out := &v1beta1.UnconfirmedPrune{Count: v1beta1.Number(len(waits))}
	slices.SortFunc(waits, func(a, b *pruneCandidate) int { return strings.Compare(a.ref.ID, b.ref.ID) })
	for _, g := range waits {
		names = append(names, g.ref.ID)
		if len(out.Objects) < maxUnconfirmed {
			out.Objects = append(out.Objects, v1beta1.KeptObject{
				Group: g.kind.Group, Kind: g.kind.Kind, Namespace: g.namespace, Name: g.name,
			})
		}
	}

	out.Digest = digestOfList(names)
	return out
}
