package preview

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"fairlead.dev/fairlead/helmops/kube/diff"
)

// ErrStopped is what CauseInput.TakeBack returns when there is no time left to render.
var ErrStopped = errors.New("the time for renderings is over")

// CauseInput is a change of a release whose causes are looked for. The changes of its input are numbers.
type CauseInput struct {
	// From is what runs, To is what would run.
	From, To Rendering
	// Namespace of the release, in which objects without one are.
	Namespace string
	// Targets are the fields and objects whose causes are wanted. All differ between From and To.
	Targets []Target
	// Groups are the changes that can be taken back, in the order in which that is tried. The changes of a group are
	// close to each other, for example values below one key.
	Groups [][]int
	// Rest are the changes that cannot be taken back. What is not as it was when all others are taken back is theirs.
	Rest []int
	// TakeBack renders To without some changes of the input. ErrStopped ends the search; after another error the
	// others are tried.
	TakeBack func(changes []int) (Rendering, error)
	// Limit is how often TakeBack is called at most.
	Limit int
}

// Target is a field that changes. Path is empty for an object that is created or deleted.
type Target struct {
	Group, Kind, Namespace, Name string
	// Path as in package diff.
	Path string
}

// Cause is why a target changes: taking back any of Changes has another result.
type Cause struct {
	// Changes of the input, sorted; nil when the cause is not known.
	Changes []int
	// Together is set when the target stays as it is unless all of Changes are taken back.
	Together bool
	// Among is set when it is not known which of Changes are the cause.
	Among bool
	// Unknown says why the cause is not known, or not known exactly; empty when it is.
	Unknown Unknown
}

// Unknown is why a cause is not known.
type Unknown string

// Reasons why a cause is not known.
const (
	// UnknownLimit is the bound of renderings, or of their time.
	UnknownLimit Unknown = "Limit"
	// UnknownRefused is a chart that does not render without some of the changes.
	UnknownRefused Unknown = "Refused"
	// UnknownInput is a target that is the same without any of the changes: templates depend on something else, such as
	// the version of the cluster, objects that they look up, or the number of the revision.
	UnknownInput Unknown = "NotAnInput"
)

// FindCauses finds out which changes of the input change the targets, by taking them back one after the other. There is
// one cause for each target, in their order. An error says which manifest cannot be read.
func FindCauses(in CauseInput) ([]Cause, error) {
	from, err := readSet(in.From.Manifest, in.Namespace)
	if err != nil {
		return nil, fmt.Errorf("what runs: %w", err)
	}

	to, err := readSet(in.To.Manifest, in.Namespace)
	if err != nil {
		return nil, fmt.Errorf("what would run: %w", err)
	}

	s := &causeSearch{
		CauseInput: in, found: make([]Cause, len(in.Targets)), tried: map[string]trial{}, partly: map[int]bool{},
	}
	for _, t := range in.Targets {
		s.was = append(s.was, stateAt(from, t, in.Namespace))
		s.is = append(s.is, stateAt(to, t, in.Namespace))
	}

	s.search()
	return s.found, nil
}

// state is what there is at a target. Of an object only whether it is there counts.
type state struct {
	has   bool
	value any
}

func (s state) same(other state) bool {
	return s.has == other.has && reflect.DeepEqual(s.value, other.value)
}

func stateAt(in set, t Target, namespace string) state {
	id := ref{group: t.Group, kind: t.Kind, namespace: t.Namespace, name: t.Name}
	object, has := in[id.within(namespace)]
	if t.Path == "" || !has {
		return state{has: has}
	}

	value, has := diff.At(object, t.Path)
	return state{has: has, value: value}
}

// trial is what taking back some changes has done to each target.
type trial struct {
	// changed tells that it is not as in To, former that it is as in From.
	changed, former []bool
	refused         bool
}

// causeSearch takes changes back and notes what that does.
type causeSearch struct {
	CauseInput
	was, is []state
	found   []Cause
	tried   map[string]trial
	// calls counts renderings, and stopped is set when there can be no more. refused is set when one has failed.
	calls            int
	stopped, refused bool
	// partly are the targets of which not all changes could be taken back.
	partly map[int]bool
}

func (s *causeSearch) search() {
	all := slices.Concat(s.Groups...)
	open := make([]int, 0, len(s.Targets))
	for t := range s.Targets {
		open = append(open, t)
	}

	if base, ok := s.without(all); ok {
		open = s.rest(base, open)
	}

	for _, group := range s.Groups {
		affected, ok := s.affected(group, open)
		s.follow(group, affected, open, ok)
	}

	for _, t := range open {
		if s.found[t].Changes == nil {
			s.together(t, all)
		}
	}

	for t := range s.partly {
		if s.found[t].Changes != nil {
			s.found[t].Unknown = UnknownLimit
		}
	}
}

// follow looks closer at some changes: at what they affect, or at all targets when it is not known what they affect,
// because a part of the changes may be rendered.
func (s *causeSearch) follow(changes, affected, targets []int, known bool) {
	switch {
	case known:
		s.narrow(changes, affected)
	case s.stopped:
		for _, t := range targets {
			s.partly[t] = true
		}
	case len(changes) > 1:
		s.narrow(changes, targets)
	}
}

// rest finds the targets that changes cause which cannot be taken back, and returns those that others change, too.
func (s *causeSearch) rest(base trial, targets []int) []int {
	open := make([]int, 0, len(targets))
	for _, t := range targets {
		if !base.former[t] {
			s.found[t].Changes = slices.Clone(s.Rest)
			s.found[t].Among = len(s.Rest) > 1
		}

		switch {
		case base.changed[t]:
			open = append(open, t)
		case len(s.Rest) == 0:
			s.found[t].Unknown = UnknownInput
		}
	}
	return open
}

// narrow finds out which of several changes cause what they change together.
func (s *causeSearch) narrow(changes, targets []int) {
	if len(targets) == 0 {
		return
	}
	if len(changes) == 1 {
		for _, t := range targets {
			s.add(t, changes[0])
		}
		return
	}

	middle := len(changes) / 2
	left := targets
	for _, half := range [][]int{changes[:middle], changes[middle:]} {
		affected, ok := s.affected(half, targets)
		s.follow(half, affected, targets, ok)
		left = slices.DeleteFunc(slices.Clone(left), func(t int) bool { return slices.Contains(affected, t) })
	}

	for _, t := range left {
		if s.found[t].Changes == nil {
			s.together(t, changes)
		}
	}
}

// together finds changes that only have an effect when all of them are taken back.
func (s *causeSearch) together(t int, changes []int) {
	var needed []int
	left := changes
	for {
		at := s.first(t, needed, left)
		if at < 0 {
			s.unknown(t, changes)
			return
		}

		needed = append(needed, left[at])
		left = left[:at]
		affected, ok := s.affected(needed, []int{t})
		if ok && len(affected) > 0 {
			break
		}
	}

	slices.Sort(needed)
	s.found[t] = Cause{Changes: needed, Together: len(needed) > 1}
}

// first returns the first of some changes with which, and with those before it, the target changes. It is -1 when that
// cannot be found out.
func (s *causeSearch) first(t int, needed, changes []int) int {
	low, high := 0, len(changes)
	for low < high {
		middle := (low + high) / 2
		affected, ok := s.affected(slices.Concat(needed, changes[:middle+1]), []int{t})
		switch {
		case !ok:
			return -1
		case len(affected) > 0:
			high = middle
		default:
			low = middle + 1
		}
	}

	if low == len(changes) {
		return -1
	}
	return low
}

// unknown notes that the cause of a target was not found.
func (s *causeSearch) unknown(t int, among []int) {
	switch {
	case s.stopped:
		s.found[t] = Cause{Unknown: UnknownLimit}
		if s.isTried(t, among) {
			s.found[t].Changes = slices.Sorted(slices.Values(among))
			s.found[t].Among = true
		}
	case s.refused:
		s.found[t].Unknown = UnknownRefused
	default:
		s.found[t].Unknown = UnknownInput
	}
}

// isTried reports whether taking back all of some changes is known to change the target.
func (s *causeSearch) isTried(t int, changes []int) bool {
	had, is := s.tried[keyOf(changes)]
	return is && !had.refused && had.changed[t]
}

func (s *causeSearch) add(t, change int) {
	c := &s.found[t]
	if !slices.Contains(c.Changes, change) {
		c.Changes = append(c.Changes, change)
		slices.Sort(c.Changes)
	}
}

// affected are those of some targets that change without the changes. It is false when that cannot be rendered.
func (s *causeSearch) affected(changes, targets []int) ([]int, bool) {
	found, ok := s.without(changes)
	if !ok {
		return nil, false
	}

	var out []int
	for _, t := range targets {
		if found.changed[t] {
			out = append(out, t)
		}
	}

	return out, true
}

// without renders without some changes, unless that was done before.
func (s *causeSearch) without(changes []int) (trial, bool) {
	if len(changes) == 0 {
		return s.judge(s.To)
	}

	key := keyOf(changes)
	if had, is := s.tried[key]; is {
		return had, !had.refused
	}

	if s.stopped = s.stopped || s.calls >= s.Limit; s.stopped {
		return trial{}, false
	}

	s.calls++
	rendered, err := s.TakeBack(slices.Sorted(slices.Values(changes)))
	if errors.Is(err, ErrStopped) {
		s.stopped = true
		return trial{}, false
	}

	out, ok := trial{}, false
	if err == nil {
		out, ok = s.judge(rendered)
	}

	out.refused = !ok
	s.refused = s.refused || !ok
	s.tried[key] = out
	return out, ok
}

func (s *causeSearch) judge(rendered Rendering) (trial, bool) {
	objects, err := readSet(rendered.Manifest, s.Namespace)
	if err != nil {
		return trial{}, false
	}

	out := trial{changed: make([]bool, len(s.Targets)), former: make([]bool, len(s.Targets))}
	for i, t := range s.Targets {
		now := stateAt(objects, t, s.Namespace)
		out.changed[i] = !now.same(s.is[i])
		out.former[i] = now.same(s.was[i])
	}

	return out, true
}

func keyOf(changes []int) string { return fmt.Sprint(slices.Sorted(slices.Values(changes))) }
