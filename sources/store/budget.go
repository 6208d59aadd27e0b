package store

import (
	"context"
	"slices"
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/quota"
)

// DefaultBounds are for a volume of 2 GiB: three namespaces have to take all they may before others are short of room.
var DefaultBounds = quota.Bounds{Total: 1536 << 20, Share: 512 << 20}

const (
	// settling is how long after its last use an artifact stays although no source names it yet: its status is being
	// written.
	settling = time.Minute
	// slack is how much more room is made than is asked for, so that a large artifact does not look for room with each of
	// its parts.
	slack = 8 << 20
)

// Limit bounds what is stored and being written, in total and for the sources of one namespace; a Total of zero bounds
// nothing. needed lists the claims that must stay. Both have to be set before the store is used.
func (s *Store) Limit(b quota.Bounds, needed func(context.Context) (map[Claim]bool, error)) {
	s.bounds = b
	s.needed = needed
}

// Used is how many bytes the sources of a namespace take, and those of all together.
func (s *Store) Used(namespace string) (own, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[namespace], s.total
}

// Evicted is how many artifacts of sources gave way to others, because the cache or the share of a namespace was full,
// since the store was opened.
func (s *Store) Evicted() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.evicted
}

// reserve takes room for bytes that are being written. When there is none, unreferenced artifacts of the same namespace
// are removed.
func (s *Store) reserve(ctx context.Context, namespace string, bytes int64) error {
	if s.tryReserve(namespace, bytes) {
		return nil
	}

	needed := map[Claim]bool{}
	if s.needed != nil {
		var err error
		if needed, err = s.needed(ctx); err != nil {
			return failed(err, "looking for what the cache can do without")
		}
	}

	if err := s.makeRoom(namespace, bytes, needed); err != nil {
		return failed(err, "making room in the cache")
	}
	if s.tryReserve(namespace, bytes) {
		return nil
	}

	own, total := s.Used(namespace)
	return sources.Fail(v1beta1.BudgetExceededReason, nil,
		"the artifact cache is full: what sources of namespace %s have and still need takes %s of the %s that one "+
			"namespace may use, and that of all %s of %s; "+
			"what is in use stays, and it is tried again with back-off",
		namespace, quota.Size(own), quota.Size(s.bounds.Share), quota.Size(total), quota.Size(s.bounds.Total))
}

func (s *Store) tryReserve(namespace string, bytes int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fits(namespace, bytes) {
		return false
	}
	s.taken[namespace] += bytes
	s.total += bytes
	return true
}

// fits needs the lock.
func (s *Store) fits(namespace string, bytes int64) bool {
	return s.bounds.Total == 0 || s.taken[namespace]+bytes <= s.bounds.Share && s.total+bytes <= s.bounds.Total
}

// release gives back what reserve took.
func (s *Store) release(namespace string, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free(namespace, bytes)
	s.total -= bytes
}

// idle is a claim that can be done without.
type idle struct {
	claimant
	digest string
	used   time.Time
}

// makeRoom drops unreferenced claims: those of the namespace while it is above its share, then those of the namespace
// that takes most.
func (s *Store) makeRoom(namespace string, bytes int64, needed map[Claim]bool) error {
	keep := make(map[idle]bool, len(needed))
	for claim := range needed {
		keep[idle{claimant: claimantOf(claim.Holder), digest: hexOf(claim.Digest)}] = true
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	spare := s.idleClaims(keep)
	for s.taken[namespace]+bytes+min(slack, s.bounds.Share/8) > s.bounds.Share && len(spare[namespace]) > 0 {
		if err := s.dropFirst(spare, namespace); err != nil {
			return err
		}
	}

	for s.total+bytes > s.bounds.Total && len(spare) > 0 {
		if err := s.dropFirst(spare, s.largest(spare)); err != nil {
			return err
		}
	}

	return nil
}

// idleClaims lists what can be done without by namespace, what was used longest ago first. It needs the lock.
func (s *Store) idleClaims(keep map[idle]bool) map[string][]idle {
	limit := s.now().Add(-settling)
	spare := map[string][]idle{}
	for digest, b := range s.blobs {
		for c, used := range b.claims {
			if !keep[idle{claimant: c, digest: digest}] && used.Before(limit) {
				spare[c.namespace] = append(spare[c.namespace], idle{c, digest, used})
			}
		}
	}

	for _, own := range spare {
		slices.SortFunc(own, func(a, b idle) int { return a.used.Compare(b.used) })
	}

	return spare
}

// largest is the namespace that takes most, of those that can do without something. It needs the lock.
func (s *Store) largest(spare map[string][]idle) string {
	name := ""
	for namespace := range spare {
		if name == "" || s.taken[namespace] > s.taken[name] {
			name = namespace
		}
	}
	return name
}

// dropFirst needs the lock.
func (s *Store) dropFirst(spare map[string][]idle, namespace string) error {
	first := spare[namespace][0]
	if spare[namespace] = spare[namespace][1:]; len(spare[namespace]) == 0 {
		delete(spare, namespace)
	}
	s.evicted++
	return s.leave(first.claimant, first.digest)
}
