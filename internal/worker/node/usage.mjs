import { PerformanceObserver } from 'node:perf_hooks';

// notTold is scenarios.NotTold: V8 does not count allocations.
const notTold = -1;

// watchUsage returns a function that tells what the process has used since it
// started, as a Usage of package scenarios; collections count from now on.
export function watchUsage() {
  let gcs = 0;
  const observer = new PerformanceObserver((list) => {
    gcs += list.getEntries().length;
  });
  observer.observe({ entryTypes: ['gc'] });

  return () => {
    gcs += observer.takeRecords().length;
    const { user, system } = process.cpuUsage(); // microseconds
    const { rss, heapUsed } = process.memoryUsage();
    return {
      cpuNs: (user + system) * 1000,
      rssB: rss,
      mallocs: notTold,
      allocB: notTold,
      heapB: heapUsed,
      gcs,
      goroutines: process.getActiveResourcesInfo().length,
    };
  };
}
