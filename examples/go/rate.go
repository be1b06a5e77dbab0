package sluice

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a flag: 2/1s, or 100/1m:10 for up to 10 at once after a pause. Without that they are evenly spaced.
type Rate struct {
	Count int64
	Per   time.Duration
	Burst int64
}

func (r *Rate) String() string { return fmt.Sprintf("%d/%v:%d", r.Count, r.Per, r.Burst) }

// Set reads what String writes.
func (r *Rate) Set(text string) (err error) {
	rate, burst, has := strings.Cut(text, ":")
	count, per, _ := strings.Cut(rate, "/")
	if r.Count, err = strconv.ParseInt(count, 10, 64); err != nil {
		return err
	}
	if r.Per, err = time.ParseDuration(per); err != nil {
		return err
	}
	if r.Burst = 1; has {
		r.Burst, err = strconv.ParseInt(burst, 10, 64)
	}
	return err
}
