package storage

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// index is what the watch and our own writes reported of all records: of each the later state.
type index struct {
	mu      sync.Mutex
	entries map[releaseKey]map[string]*entry
	// gone are records that we deleted and that the watch may still report.
	gone map[types.UID]*entry
	// unsure are releases of which a write of ours may have happened or met a record that the watch has not reported yet.
	unsure map[releaseKey]struct{}
	// writing holds back what the watch reports of records that we are writing: it can be faster than the answer to us.
	writing map[secretKey]*inFlight
	// attempt counts the failures of the watch.
	attempt int
	// bytes is what all entries take, counted what of it was counted in the account of the cluster.
	bytes, counted int64
}

type secretKey struct{ namespace, name string }

type inFlight struct {
	writes int
	told   []told
}

type told struct {
	entry *entry
	gone  bool
}

func newIndex() *index {
	return &index{
		entries: map[releaseKey]map[string]*entry{}, gone: map[types.UID]*entry{}, unsure: map[releaseKey]struct{}{},
		writing: map[secretKey]*inFlight{},
	}
}

// begin holds back news of a record until end.
func (x *index) begin(key secretKey) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.writing[key] == nil {
		x.writing[key] = &inFlight{}
	}
	x.writing[key].writes++
}

// end takes in what was held back and returns the releases of which it has news.
func (x *index) end(key secretKey) map[releaseKey]struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	flight := x.writing[key]
	if flight.writes--; flight.writes > 0 {
		return nil
	}

	delete(x.writing, key)
	news := map[releaseKey]struct{}{}
	for _, t := range flight.told {
		x.bytes -= sizeOf(t.entry)
		take := x.observeLocked
		if t.gone {
			take = x.vanishedLocked
		}
		if take(t.entry) {
			news[t.entry.of] = struct{}{}
		}
	}

	return news
}

// deferred reports whether an event was kept for later.
func (x *index) deferred(e *entry, gone bool) bool {
	flight := x.writing[e.key()]
	if flight != nil {
		x.bytes += sizeOf(e)
		flight.told = append(flight.told, told{entry: e, gone: gone})
	}
	return flight != nil
}

// of returns copies of the entries of a release, and whether they can be relied on.
func (x *index) of(key releaseKey) (entries []entry, sure bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.entries[key] {
		entries = append(entries, *e)
	}
	_, unsure := x.unsure[key]
	return entries, !unsure
}

// wrote takes in what the API server answered to a write of ours.
func (x *index) wrote(e *entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.unsure, e.of)
	if known := x.entries[e.of][e.secret]; known != nil && !e.newerThan(known.resourceVersion) {
		return
	}
	x.set(e)
}

func (x *index) deleted(e *entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e.attempt = x.attempt
	x.forgive(e.uid)
	x.gone[e.uid] = e
	x.bytes += sizeOf(e)
	if known := x.entries[e.of][e.secret]; known != nil && known.uid == e.uid {
		x.unset(known)
	}
}

// doubt makes the next look at the release ask the API server.
func (x *index) doubt(key releaseKey) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.unsure[key] = struct{}{}
}

// compare ends the doubt when the API server says just what is known here.
func (x *index) compare(key releaseKey, listed []*item) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(listed) != len(x.entries[key]) {
		return
	}

	for _, i := range listed {
		known := x.entries[key][i.secret]
		if known == nil || known.uid != i.uid || known.resourceVersion != i.resourceVersion {
			return
		}
	}

	delete(x.unsure, key)
}

// observe takes in an event of the watch and returns whether that is news and no write of ours.
func (x *index) observe(e *entry) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.observeLocked(e)
}

func (x *index) observeLocked(e *entry) bool {
	if x.deferred(e, false) || x.gone[e.uid] != nil {
		return false
	}

	known := x.entries[e.of][e.secret]
	if known != nil && !e.newerThan(known.resourceVersion) {
		return false
	}

	if known != nil && known.uid == e.uid {
		// A client that writes a record without knowing the note may leave it as it is.
		e.doubted = e.note != nil && (known.note == nil || known.note.Content == e.note.Content)
	}

	x.set(e)
	return true
}

// vanished takes in a deletion that the watch reports.
func (x *index) vanished(e *entry) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.vanishedLocked(e)
}

func (x *index) vanishedLocked(e *entry) bool {
	if x.deferred(e, true) {
		return false
	}

	x.forgive(e.uid)
	known := x.entries[e.of][e.secret]
	if known == nil || known.uid != e.uid {
		return false
	}

	x.unset(known)
	return true
}

// replace takes in a list of everything at a resource version, and returns the releases of which it has news.
func (x *index) replace(listed []*entry, resourceVersion string) map[releaseKey]struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	news := map[releaseKey]struct{}{}
	present := make(map[types.UID]struct{}, len(listed))
	for _, e := range listed {
		present[e.uid] = struct{}{}
		if x.observeLocked(e) {
			news[e.of] = struct{}{}
		}
	}

	for _, known := range x.all() {
		if _, still := present[known.uid]; !still && notAfter(known, resourceVersion) {
			if x.vanishedLocked(known) {
				news[known.of] = struct{}{}
			}
		}
	}

	for uid, e := range x.gone {
		if _, still := present[uid]; !still && notAfter(e, resourceVersion) {
			x.forgive(uid)
		}
	}

	return news
}

// failed forgets what was written long before the watch will report again, so that nothing piles up while it is
// refused.
func (x *index) failed() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.attempt++
	for uid, e := range x.gone {
		if e.attempt < x.attempt-1 {
			x.forgive(uid)
		}
	}

	for _, known := range x.all() {
		if known.attempt < x.attempt-1 {
			x.unset(known)
		}
	}

	clear(x.unsure)
}

func (x *index) all() []*entry {
	var all []*entry
	for _, entries := range x.entries {
		for _, e := range entries {
			all = append(all, e)
		}
	}
	return all
}

func (x *index) set(e *entry) {
	e.attempt = x.attempt
	if x.entries[e.of] == nil {
		x.entries[e.of] = map[string]*entry{}
	}
	if old := x.entries[e.of][e.secret]; old != nil {
		x.bytes -= sizeOf(old)
	}
	x.bytes += sizeOf(e)
	x.entries[e.of][e.secret] = e
}

// forgive forgets that a record was deleted.
func (x *index) forgive(uid types.UID) {
	if e := x.gone[uid]; e != nil {
		x.bytes -= sizeOf(e)
		delete(x.gone, uid)
	}
}

func (x *index) unset(e *entry) {
	if old := x.entries[e.of][e.secret]; old != nil {
		x.bytes -= sizeOf(old)
	}
	delete(x.entries[e.of], e.secret)
	if len(x.entries[e.of]) == 0 {
		delete(x.entries, e.of)
	}
}

// notAfter reports whether a list at that version would hold the record if it were still there.
func notAfter(e *entry, list string) bool {
	order, err := resourceversion.CompareResourceVersion(e.resourceVersion, list)
	return err != nil || order <= 0
}
