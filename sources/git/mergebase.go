package git

import (
	"container/heap"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// maxHistory is how many commits are looked at for a merge base.
const maxHistory = 200_000

// MergeBase finds the newest commit that two commits have in common. baseRef is what the user calls the second, for
// the error, which says how to fetch what a shallow clone lacks.
func (c *Checkout) MergeBase(head, base, baseRef string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &meeting{checkout: c, sides: map[plumbing.Hash]int{}}
	err := errors.Join(w.reach(plumbing.NewHash(head), ofHead), w.reach(plumbing.NewHash(base), ofBase))
	if err != nil {
		return "", fmt.Errorf("look for the merge base of %s and %s: %w", head, baseRef, err)
	}

	for looked := 0; w.queue.Len() > 0; looked++ {
		next := heap.Pop(&w.queue).(*object.Commit) //nolint:forcetypeassert // nothing else is in the queue
		side := w.sides[next.Hash]
		if side == ofHead|ofBase {
			return next.Hash.String(), nil
		}
		if looked > maxHistory {
			return "", fmt.Errorf("no merge base of %s and %s among the newest %d commits", head, baseRef, maxHistory)
		}

		for _, parent := range next.ParentHashes {
			if err := w.reach(parent, side); err != nil {
				return "", fmt.Errorf("look for the merge base of %s and %s: %w", head, baseRef, err)
			}
		}
	}

	if w.cut {
		return "", fmt.Errorf("the Git repository %s is a shallow clone without the merge base of HEAD and %s; "+
			"fetch the history: git fetch --unshallow origin", c.root, baseRef)
	}

	return "", fmt.Errorf("commit %s and %s have no common history", head, baseRef)
}

// From which sides a commit was reached.
const (
	ofHead = 1 << iota
	ofBase
)

// meeting looks for the newest commit that is reached from both sides, the newest commits first.
type meeting struct {
	checkout *Checkout
	sides    map[plumbing.Hash]int
	queue    commitQueue
	// cut is set when a parent is missing.
	cut bool
}

// reach notes that a commit is reached from a side.
func (m *meeting) reach(h plumbing.Hash, side int) error {
	known := m.sides[h]
	if known|side == known {
		return nil
	}

	m.sides[h] = known | side
	found, err := m.checkout.repository.CommitObject(h)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		m.cut = true
		return nil
	}
	if err != nil {
		return err
	}

	heap.Push(&m.queue, found)
	return nil
}

// commitQueue has the newest commit on top.
type commitQueue []*object.Commit

func (q commitQueue) Len() int           { return len(q) }
func (q commitQueue) Less(i, j int) bool { return q[i].Committer.When.After(q[j].Committer.When) }
func (q commitQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *commitQueue) Push(x any) {
	*q = append(*q, x.(*object.Commit)) //nolint:forcetypeassert // nothing else is put there
}

// Pop implements heap.Interface.
func (q *commitQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
