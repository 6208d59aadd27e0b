package tracker

import "sync"

// maxShared bounds the strings that are shared at a time. Beyond it the table is emptied, which costs memory and
// nothing else.
const maxShared = 4096

// sharedStrings keeps one copy of strings that many entries hold: namespaces, release names, messages.
type sharedStrings struct {
	mu     sync.Mutex
	copies map[string]string
}

func (s *sharedStrings) share(texts ...*string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		if *text == "" {
			continue
		}

		if copied, ok := s.copies[*text]; ok {
			*text = copied
			continue
		}

		if s.copies == nil || len(s.copies) >= maxShared {
			s.copies = map[string]string{}
		}

		s.copies[*text] = *text
	}
}
