package main

import (
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	"fairlead.dev/fairlead/sources/quota"
	"fairlead.dev/fairlead/sources/store"
)

// cacheFlags say how much the artifact cache may take.
type cacheFlags struct {
	size, share string
	// kept is what check has read.
	kept quota.Bounds
}

func (flags *cacheFlags) register(f *pflag.FlagSet) {
	f.StringVar(&flags.size, "cache-size", quantity(store.DefaultBounds.Total),
		"what the artifact cache may take; less than the volume of --cache-dir has")
	f.StringVar(&flags.share, "cache-share", quantity(store.DefaultBounds.Share),
		"what artifacts of the sources of one namespace may take of it")
}

func quantity(bytes int64) string { return resource.NewQuantity(bytes, resource.BinarySI).String() }

// check reads the flags.
func (flags *cacheFlags) check() (err error) {
	if flags.kept.Total, err = readSize("cache-size", flags.size); err != nil {
		return err
	}
	if flags.kept.Share, err = readSize("cache-share", flags.share); err != nil {
		return err
	}
	if flags.kept.Share > flags.kept.Total {
		return fmt.Errorf("--cache-share %s: want at most --cache-size, which is %s", flags.share, flags.size)
	}

	return nil
}

func readSize(flag, text string) (int64, error) {
	size, err := resource.ParseQuantity(text)
	if err != nil || size.Value() <= 0 {
		return 0, fmt.Errorf("--%s %q: want a size such as 512Mi", flag, text)
	}
	return size.Value(), nil
}
