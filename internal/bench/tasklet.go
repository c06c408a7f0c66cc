package bench

import (
	"github.com/go-greenlet/greenlet"
	"github.com/go-greenlet/greenlet/tasklet"
)

// exchange is two tasklets, one of which sends to the other over a channel without a buffer.
func exchange(p tasklet.Preference) Side {
	return Side{"tasklet.Channel", func(measure func(op func(n int))) error {
		return greenlet.Run(func(*greenlet.Greenlet) (err error) {
			c := tasklet.NewChannel[int]()
			c.SetPreference(p)
			measure(func(n int) {
				var g tasklet.Group
				g.Go(func() error {
					for range n {
						if _, err := c.Receive(); err != nil {
							return err
						}
					}
					return nil
				})
				g.Go(func() error {
					for i := range n {
						if err := c.Send(i); err != nil {
							return err
						}
					}
					return nil
				})
				if e := g.Wait(); e != nil {
					err = e
				}
			})
			return err
		})
	}}
}

// exchangeInGo is two goroutines that do the same. One of them is the one that measures, so
// that no third one has to be woken.
func exchangeInGo() Side {
	return Side{"channel", func(measure func(op func(n int))) error {
		measure(func(n int) {
			c := make(chan int)
			go func() {
				for i := range n {
					c <- i
				}
			}()
			for range n {
				<-c
			}
		})
		return nil
	}}
}
