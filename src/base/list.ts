/**
 * Intrusive doubly linked lists: the node lives in its owner, so that taking part in a list costs
 * no allocation and leaving it no search. A node is on at most one list.
 * @source include/linux/list.h
 */
import { assert } from './assert.ts';

export class ListNode<T> {
  readonly owner: T;
  /** The list it is on. */
  list: List<T> | null = null;
  prev: ListNode<T> | null = null;
  next: ListNode<T> | null = null;

  constructor(owner: T) {
    this.owner = owner;
  }
}

export class List<T> {
  /** How many are on it. */
  size = 0;
  private head: ListNode<T> | null = null;
  private tail: ListNode<T> | null = null;

  get empty(): boolean {
    return this.head === null;
  }

  /** The owner at the head, or null. */
  first(): T | null {
    return this.head === null ? null : this.head.owner;
  }
  /** The owner at the tail, or null. */
  last(): T | null {
    return this.tail === null ? null : this.tail.owner;
  }
  /** The owner behind `node`, or null. A walk that removes takes the next before it removes. */
  after(node: ListNode<T>): T | null {
    assert(node.list === this, 'node is not on this list');
    return node.next === null ? null : node.next.owner;
  }

  addHead(node: ListNode<T>): void {
    assert(node.list === null, 'node is on a list already');
    node.list = this;
    node.next = this.head;
    if (this.head === null) this.tail = node;
    else this.head.prev = node;
    this.head = node;
    this.size++;
  }

  addTail(node: ListNode<T>): void {
    assert(node.list === null, 'node is on a list already');
    node.list = this;
    node.prev = this.tail;
    if (this.tail === null) this.head = node;
    else this.tail.next = node;
    this.tail = node;
    this.size++;
  }

  remove(node: ListNode<T>): void {
    assert(node.list === this, 'node is not on this list');
    if (node.prev === null) this.head = node.next;
    else node.prev.next = node.next;
    if (node.next === null) this.tail = node.prev;
    else node.next.prev = node.prev;
    node.list = node.prev = node.next = null;
    this.size--;
  }

  moveHead(node: ListNode<T>): void {
    this.remove(node);
    this.addHead(node);
  }
  moveTail(node: ListNode<T>): void {
    this.remove(node);
    this.addTail(node);
  }

  /** The head goes to the tail, and its owner is returned: round-robin. */
  rotate(): T | null {
    if (this.head === null) return null;
    const node = this.head;
    if (node.next !== null) this.moveTail(node);
    return node.owner;
  }

  /** Remove and return the head's owner, or null. */
  shift(): T | null {
    if (this.head === null) return null;
    const node = this.head;
    this.remove(node);
    return node.owner;
  }
}
