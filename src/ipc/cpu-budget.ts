/** What a process dies of that has used up the processor time it was given: its virtual alarm (setitimer(2)). */
export const OVER_CPU_BUDGET = 'SIGVTALRM';
